"""Guided and random growth are compared at equal size; twins are counted; the page has every variant."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import taskgrove
from benchmarks import bind_grow
from benchmarks.bind_grow import Grown, against_random, comparison, growth, interval, spread, ways
from benchmarks.bind_grow_picture import THRIFTY
from benchmarks.twins import order, tasks

RUN = Grown(
    variant="bind and grow, δ = 0.0",
    seed=0,
    accuracy=0.5,
    params=100,
    gain=0.0,
    delta=0.0,
    backward=0.0,
    forward=0.0,
    seconds=1.0,
)
GUIDED = [RUN, replace(RUN, variant="bind and grow, δ = 1.0", params=300, gain=0.4)]
RECIPE = """
name = "tiny"
root = { member = "mlp-tiny-test" }
train = { cycles = 1, samples_cap = 512, batch_size = 32, val_cap = 60, threads = 1, precision = "fp32" }
agent = { iterations = 1 }
budget = { cycles = 4 }
defaults = { "opt.lr" = 0.2 }
variants = [
  { name = "independent nets", agent = { method = "fine_tune", replicas = 1 } },
  { name = "bind and grow, δ = 0.0", agent = { method = "bind_grow", delta = 0.0 } },
  { name = "bind and grow, δ = 0.5", agent = { method = "bind_grow", delta = 0.5 } },
  { name = "bind and grow, δ = 1.0", agent = { method = "bind_grow", delta = 1.0 } },
  { name = "random growth 0", agent = { method = "bind_grow", bind = "random", grow = "random" } },
]
tasks = [
  { name = "low", source = "split:sklearn:digits:0/2" },
  { name = "high", source = "split:sklearn:digits:1/2" },
]
"""


def test_a_random_system_is_compared_with_a_guided_one_of_its_size_and_seed() -> None:
    runs = [
        *GUIDED,
        replace(RUN, variant="random growth 0", params=200, gain=0.05),
        replace(RUN, variant="random growth 1", params=900, gain=0.5),
        replace(RUN, variant="bind and grow, δ = 0.5", seed=1, params=200, gain=-9.0),
    ]
    assert against_random(runs) == pytest.approx([0.15, -0.1])
    row = comparison(runs)[0]
    assert (row["random systems"], row["of them worse than guided"]) == (2, 1)
    assert row["gain more by conflicts, points"] == "2.5"


def test_ways_of_growing_share_their_ends() -> None:
    runs = [
        *GUIDED,
        replace(RUN, variant="thrifty growth, δ = 0.5", params=200, gain=0.3),
        replace(RUN, variant="bind and grow, δ = 0.5", params=200, gain=0.1),
        replace(RUN, variant="random growth 0", params=200, gain=0.05),
    ]
    assert against_random(runs, THRIFTY) == pytest.approx([0.25])
    assert against_random(runs) == pytest.approx([0.05])
    tables = ways(runs)
    assert len(tables) == 4
    (row,) = tables["Distinct parameters by grow coefficient, growing what conflicts most per parameter"]
    assert [name for name in row if name.startswith("δ")] == ["δ = 0", "δ = 0.5", "δ = 1"]
    assert len(ways(runs[:2])) == 2


def test_the_interval_is_around_the_mean_and_narrower_with_more() -> None:
    low, high = interval([0.0, 1.0] * 10)
    assert low < 0.5 < high
    more = interval([0.0, 1.0] * 1000)
    assert more[1] - more[0] < (high - low) / 5


def test_parameters_that_fall_are_told() -> None:
    assert growth(GUIDED)[0]["never falls"] == "yes"
    assert growth([GUIDED[1], replace(RUN, params=999)])[0]["never falls"] == "no"


def test_spreads_are_of_the_sample() -> None:
    assert spread([1.0, 3.0]) == "2.0 ± 1.4"
    assert spread([1.0]) == "1.0"


def test_the_page_tells_of_every_variant(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    taskgrove.compare(taskgrove.read_variants(recipe), tmp_path / "runs", seeds=(0,))
    bind_grow.main([str(recipe), str(tmp_path / "runs"), "--seeds", "0", "--out", str(tmp_path / "page")])
    page = json.loads((tmp_path / "page.json").read_text())
    rows = {row["variant"]: row for row in page["tables"]["Variants"]}
    assert len(rows) == 5
    sizes = [
        float(rows[f"bind and grow, δ = {delta}"]["distinct parameters, k"]) for delta in (0.0, 0.5, 1.0)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]
    assert float(rows["bind and grow, δ = 0.0"]["backward, points"]) != 0.0
    assert page["conditions"]["compared by"] == "rsa, 72 images"
    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_twins_have_the_same_order_and_other_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROVE_DATA", "/data")
    found = tasks(4, 3, 100)
    first, second = found[:4], found[4:]
    assert sorted(t.source for t in first) == sorted(t.source for t in second)
    assert not {t.train for t in first} & {t.train for t in second}
    assert not {t.val for t in first} & {t.val for t in second}
    assert sorted(order(4, 3)) == [0, 1, 2, 3]
    assert [t.name for t in second] == [f"twin_{i}" for i in order(4, 3)]
