"""The task sources that Taskgrove ships; others join by the entry-point group `taskgrove.sources`."""

from __future__ import annotations

from taskgrove.domain.errors import TaskDataError
from taskgrove.domain.registry import Registry
from taskgrove.tasks.base import AbstractSource
from taskgrove.tasks.sources.arrays import ArraysSource
from taskgrove.tasks.sources.folder import FolderSource
from taskgrove.tasks.sources.fonts.source import FontsSource
from taskgrove.tasks.sources.glyphs.source import GlyphsSource
from taskgrove.tasks.sources.hub.source import HubSource
from taskgrove.tasks.sources.joined import JoinedSource
from taskgrove.tasks.sources.npz import NpzSource
from taskgrove.tasks.sources.permuted import PermutedSource
from taskgrove.tasks.sources.sklearn_digits import SklearnSource
from taskgrove.tasks.sources.split import SplitSource
from taskgrove.tasks.sources.tfds.source import TfdsSource


def parse_source(source: str) -> tuple[AbstractSource, str]:
    """The source and its argument.

    Args:
        source: `name:argument`, e.g. `npz:mnist.npz`.

    Raises:
        UnknownNameError: No source has the name.
        TaskDataError: There is no colon.
    """
    name, colon, argument = source.partition(":")
    if not colon:
        known = ", ".join(f"{name}:…" for name in SOURCES)
        hint = f" Did you mean 'npz:{source}'?" if source.endswith(".npz") else ""
        raise TaskDataError(
            f"{source!r} is not of the form <source>:<argument>.{hint} Known sources: {known}."
        )
    return SOURCES[name], argument


_BUILTIN: tuple[AbstractSource, ...] = (
    ArraysSource(),
    FolderSource(),
    FontsSource(),
    GlyphsSource(),
    HubSource(),
    JoinedSource(parse_source),
    NpzSource(),
    PermutedSource(parse_source),
    SklearnSource(),
    SplitSource(parse_source),
    TfdsSource(),
)

SOURCES: Registry[AbstractSource] = Registry(
    "source", "taskgrove.sources", {source.name: source for source in _BUILTIN}
)
