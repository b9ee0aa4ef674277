"""Where prepared data sets lie: `<dir>/<name>[/<config>]/<version>`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.tasks.arguments import absolute_path

FOLDER_VARIABLE = "TFDS_DATA_DIR"
_USUAL = "~/tensorflow_datasets"
_HEAD = re.compile(r"([\w+-]+(?:/[\w.+-]+)?)(?::(\d+\.\d+\.\d+))?", re.ASCII)
_VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A data set and the folder where prepared ones lie.

    Attributes:
        home: E.g. ~/tensorflow_datasets.
        name: `<name>` or `<name>/<config>`.
        version: E.g. `3.0.1`; empty when nothing is prepared from which it could be seen.
    """

    home: Path
    name: str
    version: str

    @property
    def folder(self) -> Path:
        """Of the files."""
        return self.home / self.name / self.version

    @property
    def head(self) -> str:
        """As it stands in a source."""
        return f"{self.name}:{self.version}" if self.version else self.name


def home_folder() -> str:
    """The folder of prepared data sets that TensorFlow Datasets itself would use."""
    return os.environ.get(FOLDER_VARIABLE) or _USUAL


def place_of(head: str, home: str) -> Place:
    """The place that `<name>[/<config>][:<version>]` means.

    A missing config is the default one, a missing version the newest that is prepared.

    Raises:
        TaskDataError: It is not of that form.
    """
    match = _HEAD.fullmatch(head)
    if match is None:
        raise TaskDataError(
            f"{head!r} names no data set; write tfds:<name>[/<config>][:<version>], as in tfds:mnist:3.0.1."
        )
    place = Place(home=Path(absolute_path(home)), name=match[1], version=match[2] or "")
    if not place.version or not place.folder.is_dir():
        place = _with_default_config(place)
    versions = _versions(place.home / place.name)
    return place if place.version or not versions else replace(place, version=versions[-1])


def check_prepared(place: Place) -> None:
    """Refuse a place without a data set.

    Raises:
        TaskDataError: The folder of data sets is missing.
        UnknownNameError: No such data set, config or version is there; the message says how to make one.
    """
    if place.version and place.folder.is_dir():
        return
    if not place.home.is_dir():
        raise TaskDataError(
            f"There is no folder {place.home}, where data sets of TensorFlow Datasets are looked for. "
            f"Set {FOLDER_VARIABLE} or write ?dir=<folder>. {_how_to_prepare(place)}"
        )
    known = set(_known(place.home))
    versions = _versions(place.home / place.name)
    error = (
        UnknownNameError.of(f"prepared version of {place.name} in {place.home}", place.version, versions)
        if versions
        else UnknownNameError.of(f"prepared data set in {place.home}", place.name, known)
    )
    raise UnknownNameError(f"{error} {_how_to_prepare(place)}")


def _how_to_prepare(place: Place) -> str:
    return f"To prepare it (this needs TensorFlow): tfds build {place.head} --data_dir {place.home}"


def _with_default_config(place: Place) -> Place:
    """The default config is noted by TensorFlow Datasets; one that is alone is meant, too."""
    root = place.home / place.name
    if "/" in place.name or _versions(root):
        return place
    configs = list(_configs(root))
    try:
        noted = json.loads((root / ".config" / "metadata.json").read_text("utf-8"))["default_config_name"]
    except (OSError, ValueError, KeyError, TypeError):
        noted = ""
    config = configs[0] if len(configs) == 1 else noted
    return replace(place, name=f"{place.name}/{config}") if config in configs else place


def _known(home: Path) -> Iterator[str]:
    for root in _folders(home):
        if _versions(root):
            yield root.name
        for config in _configs(root):
            yield f"{root.name}/{config}"


def _configs(root: Path) -> Iterator[str]:
    return (folder.name for folder in _folders(root) if _versions(folder))


def _versions(folder: Path) -> list[str]:
    """Oldest first."""
    names = [each.name for each in _folders(folder) if _VERSION.fullmatch(each.name)]
    return sorted(names, key=lambda name: [int(part) for part in name.split(".")])


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(each for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))
