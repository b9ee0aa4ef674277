"""Comparisons as tables and files: means and spreads, what is best, and what seeds alone may explain."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from statistics import fmean, stdev

import pytest

from taskgrove.domain.errors import UnknownNameError
from taskgrove.reports.analyses.comparison import COSTS, MEASURES, Comparison, Spread, as_json
from taskgrove.reports.analyses.outcome import Outcome
from taskgrove.reports.analyses.paired import best_of, differences, student
from taskgrove.reports.pages.compare import as_csv, page, write_comparison
from taskgrove.reports.quantities import percent
from taskgrove.reports.words.comparison import NamedTable, budget, tables
from tests.unit.outcomes import comparison, outcome

THREE = (0, 1, 2)


def table(compared: Comparison, name: str, reference: str | None = None) -> NamedTable:
    return next(found for found in tables(compared, reference) if found.name == name)


def column(found: NamedTable, heading: str) -> list[str]:
    return [row[found.headings.index(heading)] for row in found.rows]


def seeded(variant: str, *accuracies: float) -> list[Outcome]:
    """Runs with seeds 0, 1, …"""
    return [outcome(variant, seed, value) for seed, value in enumerate(accuracies)]


def test_spreads_are_sample_standard_deviations() -> None:
    spread = Spread.of([0.6, 0.7, 0.8])
    assert spread.mean == pytest.approx(0.7)
    assert spread.std == pytest.approx(0.1)
    assert spread.text(percent) == "70.0 ± 10.0"
    assert Spread.of([0.6, 0.8]).std == pytest.approx(math.sqrt(0.02))


def test_what_is_not_known_is_a_dash() -> None:
    assert Spread.of([0.7]).text(percent) == "70.0 ± –"
    assert Spread.of([None, 0.7]).text(percent) == "70.0 ± –"
    assert Spread.of([None]).text(percent) == Spread.of([]).text(percent) == "–"


def test_the_page_has_a_row_per_variant_in_the_order_of_the_file() -> None:
    text = page(comparison(outcome("y", 1, 0.8), outcome("x", 0, 0.5), outcome("y", 0, 0.6)))
    assert "2 variants, seeds 0, 1, 2 (search and root): 3 of 6 runs finished." in text
    sizes = "1.00 M ± – | 2.00 M ± – | 10.0 M ± – | 640 ± – | 0.02 ± – |"
    assert f"| x | 1 | 50.0 | 50.0 ± – | 50.0 ± – | {sizes}" in text
    assert "| y | 2 | **80.0** | **70.0 ± 14.1** |" in text
    assert "| y | 2 | **60.0 ± 14.1** | **80.0 ± 14.1** |" in text
    assert "| x | 1 | 8 ± – | 1 ± – | 640 ± – | 10.0 G ± – | 1 min 01 s ± – | – | 0.02 ± – |" in text
    assert text.index("| x |") < text.index("| y |")
    assert text.endswith("## Conditions\n\n- somewhere\n")


def test_a_page_without_runs_says_so() -> None:
    text = page(comparison())
    assert "0 of 6 runs finished" in text
    assert "| x | 0 | – | – |" in text
    assert "No run has finished yet." in text
    assert [found.name for found in tables(comparison())] == ["variants", "spent"]


def test_labels_cannot_break_a_table() -> None:
    assert "| s\\|t | 1 |" in page(comparison(outcome("s|t", 0, 0.5), variants=("s|t",)))


def test_numbers_for_programs_are_not_rounded() -> None:
    data = as_json(comparison(outcome("x", 0, 1 / 3), outcome("x", 1, 2 / 3)))
    variants = data["variants"]
    assert isinstance(variants, list)
    assert [v["name"] for v in variants] == ["x", "y"]
    assert variants[0]["test_accuracy"] == {
        "mean": pytest.approx(0.5, abs=1e-15),
        "std": pytest.approx(math.sqrt(1 / 18)),
    }
    assert {m.name for m in (*MEASURES, *COSTS)} < variants[0].keys()
    lines = as_csv([outcome("x, y", 3, 1 / 3)]).decode().splitlines()
    assert lines[1] == f'"x, y",3,a,{1 / 3 - 0.1},{1 / 3},2000000.0,1000000.0,10000000'
    assert as_csv([outcome("x", 3, None)]).decode().splitlines()[1] == "x,3,a,,,2000000.0,1000000.0,10000000"


def test_means_equal_to_the_best_as_printed_are_bold_and_those_within_its_spread_in_italics() -> None:
    runs = (
        *seeded("a", 0.70, 0.72),
        *seeded("b", 0.7101, 0.7101),
        *seeded("c", 0.69, 0.70),
        *seeded("d", 0.5, 0.5),
    )
    compared = comparison(*runs, outcome("e", 0, 0.705), variants=tuple("abcde"))
    found = table(compared, "variants")
    assert column(found, "test %") == [
        "**71.0 ± 1.4**",
        "**71.0 ± 0.0**",
        "69.5 ± 0.7",  # further from 71.01 ± 0 than 0.71
        "50.0 ± 0.0",
        "70.5 ± –",
    ]
    assert column(found, "max test %") == ["**72.0**", "71.0", "70.0", "50.0", "70.5"]
    close = table(comparison(*seeded("x", 0.70, 0.72), *seeded("y", 0.69, 0.70)), "variants")
    assert column(close, "test %") == ["**71.0 ± 1.4**", "*69.5 ± 0.7*"]  # 1.5 apart, √(1.41² + 0.71²) = 1.58


def test_less_is_better_for_sizes_and_nothing_is_best_of_one_or_of_equals() -> None:
    both = comparison(outcome("x", 0, 0.5, params=2e6, flops=10), outcome("y", 0, 0.5, params=1e6, flops=20))
    found = table(both, "variants")
    assert column(found, "params/task, roots counted") == ["2.00 M ± –", "**1.00 M ± –**"]
    assert column(found, "FLOPs/image") == ["**10 ± –**", "20 ± –"]
    assert column(found, "training images") == ["640 ± –", "640 ± –"]
    alone, equal = comparison(outcome("x", 0, 0.5)), comparison(outcome("x", 0, 0.5), outcome("y", 0, 0.5))
    for compared in (alone, equal):
        assert "*" not in "".join(cell for row in table(compared, "variants").rows for cell in row)


def test_seeds_and_budget_stand_beside_the_figures() -> None:
    runs = (outcome("x", 0, 0.5), outcome("y", 0, 0.5), outcome("y", 1, 0.5, samples=9_600))
    assert budget(comparison(*runs[:2])).endswith("over 1 seed; each run trained on 640 images.")
    text = budget(comparison(*runs))
    assert "over 1 to 2 seeds; each run trained on 640 to 9.60 k images." in text
    for found in tables(comparison(*runs)):
        assert text in found.caption
        assert column(found, "seeds") == ["1", "2"]


def test_many_tasks_stand_in_rows() -> None:
    names = tuple(f"t{i}" for i in range(13))
    found = table(comparison(outcome("x", 0, 0.5, tasks=names), outcome("y", 0, 0.6, tasks=names)), "test")
    assert found.headings == ("task", "x", "y")
    assert found.rows[0] == ("seeds", "1", "1")
    assert [row[0] for row in found.rows[1:]] == list(names)
    assert found.rows[1] == ("t0", "40.0 ± –", "**50.0 ± –**")


def test_quantiles_of_student_are_those_of_the_tables() -> None:
    known = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 8: 2.306, 9: 2.262, 30: 2.042, 100: 1.984}
    assert {freedom: round(student(freedom), 3) for freedom in known} == known


def test_differences_are_paired_by_seed() -> None:
    runs = (
        *seeded("best", 0.80, 0.70, 0.75),
        *seeded("near", 0.78, 0.69, 0.72),
        *seeded("far", 0.5, 0.6, 0.3),
    )
    compared = comparison(*runs, *seeded("short", 0.9, 0.9), variants=("short", "far", "best", "near"))
    assert best_of(compared) == "best"
    far, near = differences(compared, "best")
    assert (near.variant, near.seeds) == ("near", THREE)
    assert near.mean == pytest.approx(-0.02)
    assert near.half == pytest.approx(4.30265 * 0.01 / math.sqrt(3), rel=1e-5)
    assert not near.told_apart
    assert not far.told_apart  # -0.30, -0.10, -0.45
    found = table(compared, "differences")
    assert found.title == "Test accuracy less that of best"
    assert found.rows[1] == ("near", "3", "-2.0", "-4.5 to +0.5", "no")
    assert "chance has favoured it" in found.caption
    assert "Few seeds make it wide" in found.caption


def test_differences_to_a_named_variant() -> None:
    runs = (*seeded("x", 0.5, 0.6, 0.7), *seeded("y", 0.6, 0.7, 0.801))
    found = table(comparison(*runs), "differences", reference="x")
    assert found.rows == (("y", "3", "+10.0", "+9.9 to +10.2", "yes"),)
    assert "chosen by name" in found.caption
    with pytest.raises(UnknownNameError, match="no variant named 'z'"):
        tables(comparison(*runs), "z")


def test_two_seeds_are_too_few_for_differences() -> None:
    compared = comparison(*seeded("x", 0.5, 0.6), *seeded("y", 0.6, 0.7))
    assert best_of(compared) is None
    assert "differences" not in [found.name for found in tables(compared)]


def test_the_files_of_numbers_agree_with_the_runs(tmp_path: Path) -> None:
    runs = (*seeded("x", 0.51, 0.62, 0.73), *seeded("y, z", 0.6, 0.7, 0.8))
    write_comparison(tmp_path, comparison(*runs, variants=("x", "y, z")))
    rows = read(tmp_path / "compare.csv")
    for role in ("test", "val"):
        name = "compare-test.csv" if role == "test" else "compare-validation.csv"
        for line in read(tmp_path / name):
            pair = (line["variant"], line["task"])
            own = [float(row[f"{role}_accuracy"]) for row in rows if (row["variant"], row["task"]) == pair]
            assert len(own) == int(line["seeds"]) == 3
            assert float(line["mean"]) == pytest.approx(fmean(own), abs=1e-12)
            assert float(line["std"]) == pytest.approx(stdev(own), abs=1e-12)
    for line in read(tmp_path / "compare-variants.csv"):
        if line["measure"] == "test_accuracy":
            means = [
                fmean(
                    float(r["test_accuracy"])
                    for r in rows
                    if (r["variant"], r["seed"]) == (line["variant"], s)
                )
                for s in ("0", "1", "2")
            ]
            assert float(line["mean"]) == pytest.approx(fmean(means), abs=1e-12)
            assert float(line["std"]) == pytest.approx(stdev(means), abs=1e-12)
            assert float(line["max"]) == pytest.approx(max(means), abs=1e-12)
    assert [line["reference"] for line in read(tmp_path / "compare-differences.csv")] == ["y, z"]


def test_older_readers_find_all_that_they_knew() -> None:
    data = json.loads(json.dumps(as_json(comparison(outcome("x", 0, 0.5)))))
    assert list(data)[:5] == ["title", "seeds", "variants", "runs", "failures"]
    assert data["variants"][0]["settings"] == {}
    assert data["variants"][0]["max_test_accuracy"] == 0.5


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
