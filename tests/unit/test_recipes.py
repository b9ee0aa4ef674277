"""The recipes: every experiment in them could be carried out."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from taskgrove.experiment.comparison.variants import read_variants
from taskgrove.experiment.decode import SEARCH, VARIANTS
from taskgrove.experiment.search.spec import check_search, read_search
from taskgrove.experiment.segments import read_segments
from taskgrove.experiment.sequence import check_sequence

RECIPES = Path(__file__).parents[2] / "recipes"
FILES = [path for path in sorted(RECIPES.glob("*.toml")) if "agent" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recipe_could_be_carried_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROVE_DATA", "/data")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    if SEARCH in table:
        check_search(*read_search(path))
        return
    runs = [v.specs for v in read_variants(path)] if VARIANTS in table else [read_segments(path)]
    for specs in runs:
        check_sequence(specs)
        assert specs[-1].tasks


def test_there_are_recipes_of_every_sort() -> None:
    assert {"char6", "compare", "demo", "segments", "split_cifar100_search"} <= {path.stem for path in FILES}
