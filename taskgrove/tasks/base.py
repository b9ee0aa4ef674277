"""What a task source is, and the loaded data of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from taskgrove.tasks.mapped import MappedImages

Images = NDArray[np.uint8]
"""(N, H, W, C), uint8, C is 1 or 3."""
Labels = NDArray[np.int64]
"""(N,), int64, from 0."""


@dataclass(frozen=True, slots=True, init=False)
class Split:
    """Images with their labels, and any other arrays of the same length to cut by.

    Args:
        images: (N, H, W, C) uint8, in memory or in files.
        labels: (N,) int64.
        columns: Of length N.
    """

    pixels: Images | MappedImages
    labels: Labels
    columns: Mapping[str, NDArray[Any]]

    def __init__(
        self,
        *,
        images: Images | MappedImages,
        labels: Labels,
        columns: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        object.__setattr__(self, "pixels", images)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "columns", columns or {})

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def images(self) -> Images:
        """All images in memory; those in files are read anew each time."""
        return self.pixels.read(slice(None)) if isinstance(self.pixels, MappedImages) else self.pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class RawData:
    """What a source holds, before it is cut into train, val and test.

    Attributes:
        splits: By the source's own names, e.g. `train`, `test`, `all`; one image shape throughout.
        class_names: One per label.
    """

    splits: Mapping[str, Split]
    class_names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskData:
    """A task ready to be learned: what the trainer reads."""

    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...]


def num_bytes(data: TaskData) -> int:
    """Memory that a task's images and labels take; images in files take none."""
    splits = (data.train, data.val, data.test)
    in_memory = sum(s.pixels.nbytes for s in splits if not isinstance(s.pixels, MappedImages))
    return in_memory + sum(s.labels.nbytes for s in splits)


class AbstractSource(ABC):
    """A way to get a task's images, named in task specifications as `<name>:<argument>`.

    Reading the same source twice gives the same arrays, on any machine that holds the data.
    """

    name: ClassVar[str]
    """Registered name: what stands before the colon."""
    summary: ClassVar[str]
    """One line for `taskgrove list sources`."""

    @abstractmethod
    def normalise(self, argument: str) -> str:
        """The argument in the form that is recorded: paths made absolute, defaults spelled out.

        Raises:
            TaskDataError: The argument cannot mean anything to this source.
        """

    @abstractmethod
    def load(self, argument: str) -> RawData:
        """Read or draw all of the source's images.

        Raises:
            TaskDataError: The data is missing, damaged or of the wrong form; says where and why.
            MissingExtraError: A package is needed that is not installed.
        """

    def missing(self, argument: str) -> str:
        """What of the data is not on this machine, found out without reading it; empty for nothing known.

        Args:
            argument: In any form that `normalise` accepts.
        """
        return ""
