"""Searches are judged by what their fronts dominate, and the page has every sampler."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import grow_search
from benchmarks.grow_search import dominated
from taskgrove.reports.analyses.searched import TrialResult
from tests.unit.small_searches import written

TRIAL = TrialResult(
    number=0,
    point={},
    tasks=(),
    gain=0.0,
    paper_delta=0.0,
    params=1_000_000,
    feasible=True,
    seconds=1.0,
    computed=1,
    remembered=0,
)


def test_the_area_is_that_of_the_steps() -> None:
    front = [TRIAL, replace(TRIAL, gain=0.5, params=3_000_000)]
    assert dominated(front, (-1.0, 4_000_000)) == pytest.approx(1.0 * 3 + 0.5 * 1)
    assert dominated(front[:1], (-1.0, 4_000_000)) == pytest.approx(3.0)
    assert dominated([], (-1.0, 4_000_000)) == 0.0


def test_every_sampler_has_a_row_and_sharing_saves_jobs(tmp_path: Path) -> None:
    recipe = str(written(tmp_path))
    given = ["--recipe", recipe, "--trials", "3", "--samplers", "random", "--out", str(tmp_path / "page")]
    grow_search.main(given)
    page = json.loads((tmp_path / "page.json").read_text())
    shared, alone = page["tables"]["Samplers"]
    assert (shared["sampler"], alone["sampler"]) == ("random", "random, nothing shared")
    assert shared["jobs remembered"] > 0 == alone["jobs remembered"]
    assert shared["jobs done"] + shared["jobs remembered"] == alone["jobs done"]
    assert shared["area dominated"] == alone["area dominated"]
    assert (tmp_path / "page.png").stat().st_size > 10_000
