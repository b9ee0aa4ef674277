"""Comparisons carried out: every run once, on its own system, continued after any interruption."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

import taskgrove
from taskgrove.domain.errors import BadValueError, StoreCorruptError, UnknownNameError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Commit, FinishChild
from taskgrove.experiment.comparison.board import News, Stage
from taskgrove.experiment.comparison.compare import Compared
from taskgrove.experiment.comparison.trials import Trial
from taskgrove.experiment.comparison.variants import Variant, read_variants
from taskgrove.experiment.comparison.worker import worker
from taskgrove.experiment.places import check_store, open_store
from taskgrove.experiment.spec import ScoreSpec
from taskgrove.testing.runs import Interrupted, interrupt_at
from tests.unit.small_experiments import VARIED, written

SEEDS = (0, 1)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no pictures where they are not looked at."""
    monkeypatch.setattr("taskgrove.reports.pages.compare.draw_comparison", lambda _: None)
    monkeypatch.setattr("taskgrove.reports.pages.compare.png", lambda *_, **__: b"picture")


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> tuple[Variant, ...]:
    return read_variants(written(tmp_path_factory.mktemp("data"), VARIED))


@pytest.fixture(scope="module")
def whole(variants: tuple[Variant, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Compared]:
    """A folder with two variants and two seeds, compared, and what the call answered."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, taskgrove.compare(variants, folder, seeds=SEEDS, title="small")


def history(store: Path) -> list[Commit]:
    return list(open_store(store).history())


def children(store: Path) -> list[FinishChild]:
    return [c.operation for c in history(store) if isinstance(c.operation, FinishChild)]


def without_data(variant: Variant) -> Variant:
    """A variant whose task cannot be read."""
    spec = variant.specs[0]
    gone = replace(spec, tasks=(replace(spec.tasks[0], source="npz:/nowhere/gone.npz"),))
    return Variant(name="gone", specs=(gone,))


def results(compared: Compared) -> list[tuple[str, int, float | None]]:
    """What was reached, without times."""
    return sorted((o.variant, o.seed, o.val_accuracy) for o in compared.comparison.outcomes)


def test_every_variant_runs_with_every_seed_of_search_and_root(whole: tuple[Path, Compared]) -> None:
    folder, compared = whole
    assert compared.failures == ()
    assert [(o.variant, o.seed) for o in compared.comparison.outcomes] == [
        ("µ2Net+", 0),
        ("muNet (s = 0.3)", 0),
        ("µ2Net+", 1),
        ("muNet (s = 0.3)", 1),
    ]
    stores = [folder / slug / f"seed{seed}" for slug in ("µ2net+", "munet-s-0.3") for seed in SEEDS]
    assert all(check_store(store).ok for store in stores)
    views = [open_store(store).state.view for store in stores]
    assert len({view.roots for view in views}) == len(SEEDS)
    assert len({child.seed for store in stores for child in children(store)}) == 6


def test_the_numbers_are_those_of_the_systems(whole: tuple[Path, Compared]) -> None:
    folder, compared = whole
    outcome = compared.comparison.of("µ2Net+")[1]
    grove = taskgrove.open(folder / "µ2net+" / "seed1", writable=False)
    model = grove.view().best(TaskName("a"))
    assert model is not None
    assert outcome.val_accuracy == model.quality
    assert outcome.test_accuracy == grove.evaluations()[model.id]["test"].accuracy
    assert outcome.flops == model.flops
    recorded = [child.result for child in children(folder / "µ2net+" / "seed1")]
    assert all(result is not None for result in recorded)
    assert outcome.cost.children == len(recorded) == 2
    assert outcome.cost.samples == sum(r.samples for r in recorded if r) == 16
    assert outcome.cost.train_flops == sum(r.flops for r in recorded if r) > 0
    assert outcome.cost.wall_s is not None
    assert outcome.cost.wall_s > outcome.cost.train_s > 0


def test_the_folder_holds_tables_for_people_and_programs(whole: tuple[Path, Compared]) -> None:
    folder, compared = whole
    page = (folder / "compare.md").read_text(encoding="utf-8")
    assert "2 variants, seeds 0, 1 (search and root): 4 of 4 runs finished." in page
    assert page.count("| muNet (s = 0.3) |") == 4
    data: Any = json.loads((folder / "compare.json").read_text(encoding="utf-8"))
    assert [variant["name"] for variant in data["variants"]] == ["µ2Net+", "muNet (s = 0.3)"]
    assert len(data["runs"]) == 4
    with (folder / "compare.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["variant"], rows[0]["seed"], rows[0]["task"]) == ("µ2Net+", "0", "a")
    known = compared.comparison.outcomes[0].tasks[0]
    assert float(rows[0]["test_accuracy"]) == known.test_accuracy
    assert float(rows[0]["params_roots_counted"]) == known.params_roots_counted
    assert (folder / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_finished_runs_are_not_repeated(whole: tuple[Path, Compared], variants: tuple[Variant, ...]) -> None:
    folder, first = whole
    before = history(folder / "µ2net+" / "seed0")
    news: list[News] = []
    again = taskgrove.compare(variants, folder, seeds=SEEDS, title="small", observe=news.append)
    assert [item.stage for item in news] == [Stage.FINISHED] * 4
    assert sorted(results(again)) == sorted(results(first))
    assert history(folder / "µ2net+" / "seed0") == before


@pytest.mark.parametrize("call", [3, 7], ids=lambda call: f"call {call}")
def test_an_interrupted_comparison_goes_on(
    whole: tuple[Path, Compared], variants: tuple[Variant, ...], tmp_path: Path, call: int
) -> None:
    with pytest.raises(Interrupted):
        taskgrove.compare(variants, tmp_path, seeds=(0,), observe=interrupt_at(call))
    assert (tmp_path / "compare.md").exists()
    taskgrove.compare(variants, tmp_path, seeds=(0,))
    for slug in ("µ2net+", "munet-s-0.3"):
        assert children(tmp_path / slug / "seed0") == children(whole[0] / slug / "seed0")


def test_some_variants_may_be_run_alone_and_others_are_still_shown(
    variants: tuple[Variant, ...], tmp_path: Path
) -> None:
    taskgrove.compare(variants, tmp_path, only=["µ2Net+"])
    assert not (tmp_path / "munet-s-0.3").exists()
    both = taskgrove.compare(variants, tmp_path, only=["muNet (s = 0.3)"])
    assert len(both.comparison.outcomes) == 2
    with pytest.raises(UnknownNameError, match="no variant named 'nonsense'"):
        taskgrove.compare(variants, tmp_path, only=["nonsense"])


def test_dropped_weights_leave_the_log_and_the_summary(variants: tuple[Variant, ...], tmp_path: Path) -> None:
    first = taskgrove.compare(variants[:1], tmp_path, drop_weights=True)
    store = tmp_path / "µ2net+" / "seed0"
    assert len(children(store)) == 2
    assert not list((store / "blobs").rglob("*.safetensors"))
    assert results(taskgrove.compare(variants[:1], tmp_path)) == results(first)
    longer = replace(variants[0].specs[0], agent=replace(variants[0].specs[0].agent, iterations=2))
    with pytest.raises(BadValueError, match=r"µ2Net\+, seed 0: .* weights in .*seed0 were dropped"):
        taskgrove.compare([replace(variants[0], specs=(longer,))], tmp_path)


def test_weights_of_runs_that_are_finished_can_be_dropped_later(
    variants: tuple[Variant, ...], tmp_path: Path
) -> None:
    taskgrove.compare(variants[:1], tmp_path)
    assert list((tmp_path / "µ2net+" / "seed0" / "blobs").rglob("*.safetensors"))
    taskgrove.compare(variants[:1], tmp_path, drop_weights=True)
    assert not list((tmp_path / "µ2net+" / "seed0" / "blobs").rglob("*.safetensors"))


def test_more_iterations_continue_a_finished_run(variants: tuple[Variant, ...], tmp_path: Path) -> None:
    taskgrove.compare(variants[:1], tmp_path)
    longer = replace(variants[0].specs[0], agent=replace(variants[0].specs[0].agent, iterations=2))
    compared = taskgrove.compare([replace(variants[0], specs=(longer,))], tmp_path)
    cost = compared.comparison.outcomes[0].cost
    assert cost.children == 4
    assert cost.wall_s is None


def test_other_settings_are_refused_before_anything_is_written(
    whole: tuple[Path, Compared], variants: tuple[Variant, ...]
) -> None:
    page = (whole[0] / "compare.md").read_bytes()
    changed = replace(variants[0].specs[0], score=ScoreSpec(scale=0.5))
    with pytest.raises(
        BadValueError, match=r"µ2Net\+, seed 0: Experiment 'small' was started .* other settings"
    ):
        taskgrove.compare([replace(variants[0], specs=(changed,))], whole[0])
    assert (whole[0] / "compare.md").read_bytes() == page


def test_runs_at_the_same_time_give_the_same_results_and_a_failure_stops_no_other(
    whole: tuple[Path, Compared], variants: tuple[Variant, ...], tmp_path: Path
) -> None:
    news: list[News] = []
    three = [without_data(variants[0]), *variants]
    compared = taskgrove.compare(three, tmp_path, seeds=(0,), jobs=2, observe=news.append)
    assert results(compared) == [item for item in results(whole[1]) if item[1] == 0]
    for slug in ("µ2net+", "munet-s-0.3"):
        assert children(tmp_path / slug / "seed0") == children(whole[0] / slug / "seed0")
    assert [item.stage for item in news][:2] == [Stage.BEGUN, Stage.BEGUN]
    assert Stage.STEP in [item.stage for item in news]
    assert [failure.kind for failure in compared.failures] == ["task_data"]
    assert not list(tmp_path.rglob("*.log"))


def test_an_interruption_ends_the_processes(
    variants: tuple[Variant, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes: list[Popen[str]] = []

    @contextmanager
    def noted(trial: Trial) -> Iterator[Popen[str]]:
        with worker(trial) as process:
            processes.append(process)
            yield process

    def stop(news: News) -> None:
        if len(processes) == 2:
            raise Interrupted

    monkeypatch.setattr("taskgrove.experiment.comparison.pool.worker", noted)
    with pytest.raises(Interrupted):
        taskgrove.compare(variants, tmp_path, seeds=(0,), jobs=2, observe=stop)
    assert [process.poll() is None for process in processes] == [False, False]


def test_a_process_that_is_killed_is_a_failure(
    variants: tuple[Variant, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def killed(trial: Trial) -> Iterator[Popen[str]]:
        with worker(trial) as process:
            process.kill()
            yield process

    monkeypatch.setattr("taskgrove.experiment.comparison.pool.worker", killed)
    compared = taskgrove.compare(variants[:1], tmp_path, jobs=2)
    assert [(failure.kind, failure.exit_code) for failure in compared.failures] == [("environment", 3)]
    assert "ended without an answer" in compared.failures[0].text


def test_a_run_that_fails_does_not_stop_the_others(variants: tuple[Variant, ...], tmp_path: Path) -> None:
    compared = taskgrove.compare([without_data(variants[0]), variants[1]], tmp_path)
    assert [failure.kind for failure in compared.failures] == ["task_data"]
    assert [outcome.variant for outcome in compared.comparison.outcomes] == ["muNet (s = 0.3)"]
    page = (tmp_path / "compare.md").read_text(encoding="utf-8")
    assert "**gone, seed 0 failed**: " in page
    assert "1 of 2 runs finished" in page


def test_a_defect_in_one_run_is_written_down(
    variants: tuple[Variant, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by mistake")

    monkeypatch.setattr("taskgrove.experiment.grove.Grove.run", broken)
    compared = taskgrove.compare(variants[:1], tmp_path)
    assert [(failure.kind, failure.exit_code) for failure in compared.failures] == [("defect", 1)]
    assert "ZeroDivisionError" in (tmp_path / "µ2net+" / "seed0.log").read_text(encoding="utf-8")


def test_a_run_goes_on_with_the_threads_it_began_with(variants: tuple[Variant, ...], tmp_path: Path) -> None:
    spec = variants[0].specs[0]
    free = [Variant(name="free", specs=(replace(spec, train=replace(spec.train, threads=0)),))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 1)
        with pytest.raises(Interrupted):
            taskgrove.compare(free, tmp_path, observe=interrupt_at(3))
        patch.setattr("os.cpu_count", lambda: 4)
        compared = taskgrove.compare(free, tmp_path, jobs=1)
    assert compared.failures == ()
    start = open_store(tmp_path / "free" / "seed0").state.view.experiments["small"]
    assert json.loads(start.spec)["train"]["threads"] == 1
    assert len(children(tmp_path / "free" / "seed0")) == 2


def test_a_summary_that_is_none_is_an_error(variants: tuple[Variant, ...], tmp_path: Path) -> None:
    (tmp_path / "µ2net+").mkdir()
    (tmp_path / "µ2net+" / "seed0.json").write_text("{}")
    with pytest.raises(StoreCorruptError, match=r"seed0\.json is not the summary of a run"):
        taskgrove.compare(variants[:1], tmp_path)


@pytest.mark.parametrize(
    ("seeds", "jobs", "message"),
    [
        ((), 1, "needs variants and seeds"),
        ((1, 1), 1, "seeds: 1 is named"),
        ((0,), 0, "jobs must be at least 1"),
    ],
)
def test_impossible_comparisons_are_refused(
    variants: tuple[Variant, ...], tmp_path: Path, seeds: tuple[int, ...], jobs: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        taskgrove.compare(variants, tmp_path / "out", seeds=seeds, jobs=jobs)
    assert not (tmp_path / "out").exists()
