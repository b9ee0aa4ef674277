"""The large synthetic system, and the benchmark that draws all charts of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import figures
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.jobs import ProbeJob
from taskgrove.domain.records import AddMetrics, AddTask, FinishChild, StartExperiment
from taskgrove.experiment.spec import ExperimentSpec
from taskgrove.experiment.tables import decode
from taskgrove.reports.base import Scope
from taskgrove.reports.charts import in_order
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.testing.big import SMALL, BigSystem, grow_big
from taskgrove.testing.pretended import PretendedTrainer

TINY = BigSystem(tasks=5, blocks=2, iterations=(1, 1), generations=1, children=3)


def test_the_same_size_gives_the_same_operations() -> None:
    one, same, other = (
        [(commit.operation, commit.time) for commit in grow_big(size).history]
        for size in (TINY, TINY, replace(TINY, seed=1))
    )
    assert one == same != other


def test_the_system_grows_in_two_segments_with_tasks_that_arrive_late() -> None:
    run = grow_big(TINY)
    operations = [commit.operation for commit in run.history]
    starts = [operation for operation in operations if isinstance(operation, StartExperiment)]
    assert [(start.experiment, len(start.tasks)) for start in starts] == [("big.1", 3), ("big.2", 5)]
    second = operations.index(starts[1])
    assert [isinstance(operation, AddTask) for operation in operations[second - 2 : second]] == [True, True]
    assert sum(isinstance(operation, FinishChild) for operation in operations) == 3 * 3 + 5 * 3
    assert sum(isinstance(operation, AddMetrics) for operation in operations) == 3 + 5
    assert set(run.evaluations) == {*run.view.bests.values()}


def test_what_it_says_of_the_experiment_is_an_experiment() -> None:
    run = grow_big(TINY)
    spec = decode(ExperimentSpec, json.loads(run.view.experiments["big.2"].spec), "")
    assert (spec.name, spec.agent.method, spec.root.member) == ("big.2", "mu2net_plus", "vit-l")
    assert run.valid["data.resolution"] == (224, 384)


def test_children_are_accepted_rejected_and_fail_and_related_layers_are_reused() -> None:
    run = grow_big(replace(SMALL, children=6))
    children = [commit.operation for commit in run.history if isinstance(commit.operation, FinishChild)]
    assert any(child.model for child in children)
    assert any(child.result and not child.model for child in children)
    assert any(child.failure for child in children)
    assert all(len(child.result.accuracies) == 4 for child in children if child.result)
    used = [part for best in run.view.bests.values() for part in run.view.models[best].components]
    assert any(len(run.view.users_of(part.id)) > 1 for part in used)
    assert any(len(part.cycles) > 1 for part in used)


def test_studies_are_not_pretended() -> None:
    trainer = PretendedTrainer(Store.create(MemoryBackend()), TINY.layout, {})
    run = grow_big(TINY)
    one, other, *_ = run.view.models
    with pytest.raises(BadValueError, match="ProbeJob"):
        trainer.study(ProbeJob(task=next(iter(run.view.tasks)), models=(one, other)))


def test_all_charts_of_one_system_are_drawn_and_timed(tmp_path: Path) -> None:
    small = ["--tasks", "2", "--blocks", "1", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        figures.main([*small, "--limit", "60"])
    assert ended.value.code == 0
    page = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    rows = page["tables"]["In all formats"]
    assert [row["chart"] for row in rows] == [c.name for c in in_order() if c.scope is not Scope.RUNS]
    assert all(row["s"] > 0 for row in rows)
    assert (tmp_path / "graph.svg").stat().st_size > 1000
    assert (tmp_path / "figures.md").read_text(encoding="utf-8").startswith("# Charts of a system of 2 tasks")


def test_a_chart_that_takes_too_long_fails_the_benchmark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--tasks", "1", "--blocks", "1", "--out", str(tmp_path), "--only", "graph"]
    with pytest.raises(SystemExit) as ended:
        figures.main([*small, "--limit", "0"])
    assert ended.value.code == 1
    assert "Over 0 s: graph." in capsys.readouterr().out
