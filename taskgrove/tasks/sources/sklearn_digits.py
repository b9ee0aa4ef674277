"""Real handwritten digits without a download: the 1,797 images that scikit-learn ships (UCI optdigits)."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from taskgrove.domain.errors import MissingExtraError, UnknownNameError
from taskgrove.tasks.base import AbstractSource, RawData
from taskgrove.tasks.checks import as_raw, as_split

_NUM_TRAIN = 1437
"""The usual cut; the images behind it were written by other people."""


@final
class SklearnSource(AbstractSource):
    """Digits of 8 by 8 pixels; `train` and `test` have no writer in common."""

    name: ClassVar[str] = "sklearn"
    summary: ClassVar[str] = "sklearn:digits, 1,797 real handwritten digits of 8x8 pixels, offline"

    def normalise(self, argument: str) -> str:
        if argument != "digits":
            raise UnknownNameError.of("scikit-learn data set", argument, ["digits"])
        return argument

    def load(self, argument: str) -> RawData:
        self.normalise(argument)
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise MissingExtraError(
                "The source sklearn:digits needs scikit-learn, which is not installed; "
                "run: pip install 'taskgrove[demo]'"
            ) from error
        digits = load_digits()
        images = (digits.images * (255 / 16)).round().astype(np.uint8)  # stored as 0 .. 16
        labels = digits.target.astype(np.int64)
        splits = {
            "train": as_split(images[:_NUM_TRAIN], labels[:_NUM_TRAIN], "train"),
            "test": as_split(images[_NUM_TRAIN:], labels[_NUM_TRAIN:], "test"),
        }
        return as_raw(splits, None, "sklearn:digits")
