"""What every task source promises, as checks that a new source runs in its own tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from taskgrove.domain.errors import UserError
from taskgrove.tasks.base import AbstractSource, RawData


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSuite:
    """The conformance suite of task sources; each `check_…` raises AssertionError when broken.

    Attributes:
        source: The source under test.
        argument: Of a small task that the source can load here.
        nonsense: Arguments for which `normalise` or `load` must explain what is wrong.

    Example:
        >>> from taskgrove.tasks.sources import SOURCES
        >>> suite = SourceSuite(
        ...     source=SOURCES["glyphs"], argument="digits?per_class=3", nonsense=("klingon",)
        ... )
        >>> for check in suite.checks():
        ...     check()
    """

    source: AbstractSource
    argument: str
    nonsense: tuple[str, ...]

    def checks(self) -> tuple[Callable[[], None], ...]:
        """All checks of the suite."""
        return (
            self.check_reading_twice_gives_the_same_arrays,
            self.check_images_and_labels_have_the_promised_form,
            self.check_normalising_is_idempotent_and_keeps_the_meaning,
            self.check_nonsense_is_explained,
            self.check_the_source_describes_itself,
        )

    def check_reading_twice_gives_the_same_arrays(self) -> None:
        """Equal arguments give equal data."""
        _assert_equal(self.source.load(self.argument), self.source.load(self.argument))

    def check_images_and_labels_have_the_promised_form(self) -> None:
        """Images are (N, H, W, 1 or 3) uint8 of one shape, labels (N,) int64 with a name each."""
        raw = self.source.load(self.argument)
        assert raw.splits, "a source must hold at least one split"
        for name, split in raw.splits.items():
            assert split.images.dtype == np.uint8, f"{name}: images are {split.images.dtype}"
            assert split.images.ndim == 4, f"{name}: images have the shape {split.images.shape}"
            assert split.images.shape[-1] in (1, 3), f"{name}: {split.images.shape[-1]} channels"
            assert split.labels.dtype == np.int64, f"{name}: labels are {split.labels.dtype}"
            assert split.labels.shape == split.images.shape[:1], f"{name}: a label per image"
            assert split.labels.min() >= 0, f"{name}: negative labels"
            assert split.labels.max() < len(raw.class_names), f"{name}: labels without a name"
            assert all(len(column) == len(split) for column in split.columns.values()), f"{name}: columns"
        assert len({split.images.shape[1:] for split in raw.splits.values()}) == 1, "shapes differ"
        assert len(set(raw.class_names)) == len(raw.class_names), "class names repeat"

    def check_normalising_is_idempotent_and_keeps_the_meaning(self) -> None:
        """The recorded form of an argument is stable and loads the same data."""
        normal = self.source.normalise(self.argument)
        assert self.source.normalise(normal) == normal, f"{normal!r} normalises to something else"
        _assert_equal(self.source.load(self.argument), self.source.load(normal))

    def check_nonsense_is_explained(self) -> None:
        """Arguments that mean nothing raise a UserError with a message, never anything else."""
        for argument in self.nonsense:
            message = self._refusal(argument)
            assert message is not None, f"{argument!r} was accepted"
            assert len(message) > 20, f"{argument!r} is refused without an explanation: {message}"

    def _refusal(self, argument: str) -> str | None:
        try:
            self.source.load(self.source.normalise(argument))
        except UserError as error:
            return str(error)
        return None

    def check_the_source_describes_itself(self) -> None:
        """Its name can stand before a colon, and it has a summary of one line."""
        name, summary = self.source.name, self.source.summary
        assert name.isidentifier(), f"{name!r} is not a plain word"
        assert summary.strip() == summary != "", f"{name} has no summary"
        assert "\n" not in summary, f"the summary of {name} has several lines"


def _assert_equal(one: RawData, other: RawData) -> None:
    assert one.class_names == other.class_names, "class names differ"
    assert set(one.splits) == set(other.splits), "splits differ"
    for name, split in one.splits.items():
        np.testing.assert_array_equal(split.images, other.splits[name].images)
        np.testing.assert_array_equal(split.labels, other.splits[name].labels)
