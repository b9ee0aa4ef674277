"""What a task source is, and the loaded data of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
"""(N, H, W, C), uint8, C is 1 or 3."""
Labels = NDArray[np.int64]
"""(N,), int64, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Images with their labels, and any other arrays of the same length to cut by."""

    images: Images
    labels: Labels
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)


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
    """Memory that a task's images and labels take."""
    return sum(s.images.nbytes + s.labels.nbytes for s in (data.train, data.val, data.test))


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
