"""What is known of the papers' data sets without having them: splits, sizes, labels and classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from taskgrove.experiment.tables import decode, located, read_table

_FILE = Path(__file__).parent / "data_sets.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A data set of the catalogue of TensorFlow Datasets.

    Attributes:
        classes: Number of classes by label: a feature, or a function of the example.
        splits: Images by split.
        unsized: Splits whose number of images is not known here.
    """

    classes: Mapping[str, int]
    splits: Mapping[str, int] = field(default_factory=dict)
    unsized: tuple[str, ...] = ()

    def sizes(self) -> dict[str, int | None]:
        """Images by split; None where not known."""
        return {**self.splits, **dict.fromkeys(self.unsized)}


@cache
def data_sets() -> Mapping[str, DataSet]:
    """The data sets by name."""
    with located(str(_FILE)):
        return {name: decode(DataSet, table, name) for name, table in read_table(_FILE).items()}
