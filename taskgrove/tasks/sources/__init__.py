"""The task sources that Taskgrove ships; others join by the entry-point group `taskgrove.sources`."""

from __future__ import annotations

from taskgrove.domain.registry import Registry
from taskgrove.tasks.base import AbstractSource
from taskgrove.tasks.sources.arrays import ArraysSource
from taskgrove.tasks.sources.folder import FolderSource
from taskgrove.tasks.sources.fonts.source import FontsSource
from taskgrove.tasks.sources.glyphs.source import GlyphsSource
from taskgrove.tasks.sources.npz import NpzSource
from taskgrove.tasks.sources.sklearn_digits import SklearnSource

_BUILTIN: tuple[AbstractSource, ...] = (
    ArraysSource(),
    FolderSource(),
    FontsSource(),
    GlyphsSource(),
    NpzSource(),
    SklearnSource(),
)

SOURCES: Registry[AbstractSource] = Registry(
    "source", "taskgrove.sources", {source.name: source for source in _BUILTIN}
)
