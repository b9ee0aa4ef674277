"""Searches over grow sequences: what is tried, on branches, once; the front; and merging one of them."""

from __future__ import annotations

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import taskgrove
from taskgrove.cli.main import app
from taskgrove.domain.errors import BadValueError, StoreCorruptError
from taskgrove.domain.records import Note, Operation, Tag
from taskgrove.experiment.api import open as open_grove
from taskgrove.experiment.copies import fork_store
from taskgrove.experiment.places import check_store, open_store
from taskgrove.experiment.search.board import News, Stage
from taskgrove.experiment.search.lock import held
from taskgrove.experiment.search.search import LOCK
from taskgrove.experiment.search.spec import SearchSpec
from taskgrove.experiment.spec import ExperimentSpec
from taskgrove.reports.analyses.searched import Searched
from taskgrove.scoring.accounting import distinct_params
from taskgrove.store.store import Store
from taskgrove.testing.runs import Interrupted
from tests.unit.small_searches import results, template, written

TRIALS = 5
Whole = tuple[Path, ExperimentSpec, SearchSpec, Searched]


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no pictures where they are not looked at."""
    monkeypatch.setattr("taskgrove.reports.pages.search.draw_search", lambda *_: None)
    monkeypatch.setattr("taskgrove.reports.pages.search.png", lambda *_, **__: b"picture")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A finished search in `out` of a folder, the store in `grove`."""
    folder = tmp_path_factory.mktemp("search")
    spec, settings = template(folder)
    found = taskgrove.search(spec, folder / "grove", folder / "out", settings=settings, trials=TRIALS)
    return folder, spec, settings, found


def operations(store: Path) -> list[Operation]:
    """What the log of a store says, remarks left out: every fork of a store leaves it a tag."""
    found = (commit.operation for commit in open_store(store).history())
    return [operation for operation in found if not isinstance(operation, Note | Tag)]


def counts(folder: Path) -> tuple[int, int]:
    """Jobs computed and remembered by all trials."""
    trials = json.loads((folder / "trials.json").read_text(encoding="utf-8"))
    return sum(trial["computed"] for trial in trials), sum(trial["remembered"] for trial in trials)


def test_trials_are_grown_on_branches_and_the_store_is_not(whole: Whole) -> None:
    folder, spec, _, found = whole
    assert [trial.number for trial in found.trials] == list(range(TRIALS))
    base = open_store(folder / "grove").state.view
    assert list(base.tasks) == [task.name for task in spec.tasks]
    assert not base.bests
    for trial in found.trials:
        store = folder / "out" / "trials" / f"{trial.number:04d}"
        assert check_store(store).ok
        view = open_store(store).state.view
        assert set(view.bests) == set(base.tasks)
        bests = [view.models[best] for best in view.bests.values()]
        assert trial.params == distinct_params(bests)
        assert {t.task: t.quality for t in trial.tasks} == {m.task: m.quality for m in bests}


def test_what_trials_have_in_common_is_done_once_and_gives_the_same(whole: Whole, tmp_path: Path) -> None:
    folder, spec, settings, _ = whole
    alone = tmp_path / "alone"
    taskgrove.search(spec, folder / "grove", alone, settings=settings, trials=TRIALS, sharing=False)
    assert results(alone) == results(folder / "out")
    assert (computed := counts(alone))[1] == 0
    shared = counts(folder / "out")
    assert sum(shared) == computed[0]
    # After the first trial, independent nets, their tests and their first comparison are known.
    assert shared[1] >= (TRIALS - 1) * (len(spec.tasks) + 2)
    assert not (alone / "memory").exists()


def test_an_interrupted_search_ends_as_if_it_had_not_been(whole: Whole, tmp_path: Path) -> None:
    folder, spec, settings, _ = whole

    def interrupt(news: News) -> None:
        if (
            news.stage is Stage.STEP
            and news.number in (0, 2)
            and news.step is not None
            and news.step.done == 3
        ):
            raise Interrupted

    def go_on(trials: int) -> None:
        taskgrove.search(
            spec, folder / "grove", tmp_path, settings=settings, trials=trials, observe=interrupt
        )

    for _ in range(2):
        with pytest.raises(Interrupted):
            go_on(TRIALS)
        assert len(results(tmp_path)) < TRIALS
    taskgrove.search(spec, folder / "grove", tmp_path, settings=settings, trials=TRIALS)
    assert results(tmp_path) == results(folder / "out")
    stores = [tmp_path / "trials" / f"{number:04d}" for number in range(TRIALS)]
    whole_stores = [folder / "out" / "trials" / f"{number:04d}" for number in range(TRIALS)]
    assert [operations(store) for store in stores] == [operations(store) for store in whole_stores]


def test_a_finished_search_is_not_repeated_and_can_be_made_longer(whole: Whole, tmp_path: Path) -> None:
    folder, spec, settings, found = whole
    told: list[News] = []
    taskgrove.search(spec, folder / "grove", tmp_path, settings=settings, trials=2)
    taskgrove.search(spec, folder / "grove", tmp_path, settings=settings, trials=2, observe=told.append)
    assert told == []
    more = taskgrove.search(
        spec, folder / "grove", tmp_path, settings=settings, trials=3, observe=told.append
    )
    assert [news.number for news in told if news.stage is Stage.FINISHED] == [2]
    assert more.trials[2].point == found.trials[2].point


def test_damaged_memory_is_worked_out_again(whole: Whole, tmp_path: Path) -> None:
    folder, spec, settings, _ = whole
    taskgrove.search(spec, folder / "grove", tmp_path, settings=settings, trials=1)
    for blob in (tmp_path / "trials" / "0000" / "blobs").rglob("*.safetensors"):
        blob.write_bytes(b"damaged")
    for record in sorted((tmp_path / "memory").rglob("*.json"))[::2]:
        record.write_bytes(b'{"system":')
    taskgrove.search(spec, folder / "grove", tmp_path, settings=settings, trials=2)
    assert results(tmp_path) == results(folder / "out")[:2]


def test_the_folder_holds_tables_for_people_and_programs(whole: Whole) -> None:
    folder, spec, _, found = whole
    out = folder / "out"
    page = (out / "search.md").read_text(encoding="utf-8")
    assert f"{TRIALS} of {TRIALS} trials finished." in page
    front: list[dict[str, Any]] = json.loads((out / "front.json").read_text(encoding="utf-8"))
    assert [trial["number"] for trial in front] == [trial.number for trial in found.front]
    with (out / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == TRIALS * len(spec.tasks)
    assert float(rows[0]["point.delta"]) == found.trials[0].point["delta"]


def test_the_study_is_one_that_optuna_reads(whole: Whole) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    folder, _, _, found = whole
    storage = JournalStorage(JournalFileBackend(str(folder / "out" / "study.log")))
    study = optuna.load_study(study_name=None, storage=storage)
    assert [trial.values for trial in study.trials] == [[t.gain, t.params] for t in found.trials]
    assert {trial.number for trial in study.best_trials} >= {trial.number for trial in found.front}


def test_any_executor_gives_what_this_process_gives(whole: Whole, tmp_path: Path) -> None:
    folder, spec, settings, _ = whole
    by_chance = replace(settings, sampler="random")
    taskgrove.search(spec, folder / "grove", tmp_path / "here", settings=by_chance, trials=3)
    with ThreadPoolExecutor(2) as pool:
        taskgrove.search(
            spec,
            folder / "grove",
            tmp_path / "there",
            settings=by_chance,
            trials=3,
            jobs=2,
            executor=taskgrove.FuturesExecutor(pool),
        )
    assert results(tmp_path / "there") == results(tmp_path / "here")


@pytest.mark.slow
def test_processes_give_what_one_process_gives(whole: Whole, tmp_path: Path) -> None:
    folder, spec, settings, _ = whole
    by_chance = replace(settings, sampler="random")
    for jobs in (1, 2):
        taskgrove.search(
            spec, folder / "grove", tmp_path / str(jobs), settings=by_chance, trials=4, jobs=jobs
        )
    assert results(tmp_path / "1") == results(tmp_path / "2")
    assert counts(tmp_path / "1") == counts(tmp_path / "2")


def test_the_grid_is_tried_once_and_sizes_above_the_limit_are_not_on_the_front(
    whole: Whole, tmp_path: Path
) -> None:
    folder, spec, settings, _ = whole
    limit = min(trial.params for trial in whole[3].trials)
    grid = replace(settings, sampler="grid", step=0.5, max_params=limit)
    found = taskgrove.search(spec, folder / "grove", tmp_path, settings=grid, trials=20)
    assert sorted(trial.point["delta"] for trial in found.trials) == [0.0, 0.5, 1.0]
    by_delta = {trial.point["delta"]: trial for trial in found.trials}
    assert by_delta[0.0].params < by_delta[1.0].params
    assert [trial.feasible for trial in found.trials] == [trial.params <= limit for trial in found.trials]
    assert all(trial.feasible for trial in found.front)
    assert all(task.delta == 1.0 and len(task.grown) == 3 for task in by_delta[1.0].tasks if task.bound)
    assert not any(task.grown for task in by_delta[0.0].tasks)


def test_other_settings_and_other_stores_are_refused(whole: Whole, tmp_path: Path) -> None:
    folder, spec, settings, _ = whole
    other = replace(settings, seed=9)
    with pytest.raises(BadValueError, match="other settings"):
        taskgrove.search(spec, folder / "grove", folder / "out", settings=other, trials=TRIALS)
    changed = replace(spec, seed=9)
    with pytest.raises(BadValueError, match="other settings"):
        taskgrove.search(changed, folder / "grove", folder / "out", settings=settings, trials=TRIALS)
    with pytest.raises(BadValueError, match="another store"):
        taskgrove.search(spec, tmp_path / "new", folder / "out", settings=settings, trials=TRIALS)


def test_two_processes_are_not_at_work_on_one_search(whole: Whole) -> None:
    folder, spec, settings, _ = whole
    with held(folder / "out" / LOCK, wait=False), pytest.raises(BadValueError, match="Another process"):
        taskgrove.search(spec, folder / "grove", folder / "out", settings=settings, trials=TRIALS)


def test_a_damaged_result_is_named(whole: Whole, tmp_path: Path) -> None:
    folder, spec, settings, _ = whole
    taskgrove.search(spec, folder / "grove", tmp_path, settings=settings, trials=1)
    (tmp_path / "trials" / "0000.json").write_text("{}")
    with pytest.raises(StoreCorruptError, match=r"0000\.json"):
        taskgrove.search(spec, folder / "grove", tmp_path, settings=settings, trials=1)


def copy_of(whole: Whole, tmp_path: Path, trials: int = 2) -> Path:
    """A small search of its own, whose store may be changed."""
    _, spec, settings, _ = whole
    taskgrove.search(spec, tmp_path / "grove", tmp_path / "out", settings=settings, trials=trials)
    return tmp_path


def test_picking_makes_the_store_the_system_of_the_trial(whole: Whole, tmp_path: Path) -> None:
    folder = copy_of(whole, tmp_path)
    open_grove(folder / "grove").store.commit(Note(text="before"))
    picked = taskgrove.pick(folder / "out", folder / "grove", trial=1)
    assert not picked.already
    mine, theirs = open_store(folder / "grove"), open_store(folder / "out" / "trials" / "0001")
    assert mine.state.view.bests == theirs.state.view.bests
    assert mine.state.evaluations == theirs.state.evaluations
    assert operations(folder / "grove") == operations(folder / "out" / "trials" / "0001")
    assert check_store(folder / "grove").ok
    assert taskgrove.open(folder / "grove").evaluate("d1", "test").accuracy >= 0.0
    assert taskgrove.pick(folder / "out", folder / "grove", trial=1).already
    with pytest.raises(BadValueError, match="has grown"):
        taskgrove.pick(folder / "out", folder / "grove", trial=0)


def test_an_interrupted_pick_is_completed(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, left = copy_of(whole, tmp_path, trials=1), 7
    commit = Store.commit

    def fail(self: Store, operation: Operation, **how: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise Interrupted
        return commit(self, operation, **how)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "commit", fail)
        with pytest.raises(Interrupted):
            taskgrove.pick(folder / "out", folder / "grove", trial=0)
    assert not taskgrove.pick(folder / "out", folder / "grove", trial=0).already
    mine, theirs = open_store(folder / "grove"), open_store(folder / "out" / "trials" / "0000")
    assert mine.state.view.bests == theirs.state.view.bests
    assert check_store(folder / "grove").ok


def test_what_cannot_be_picked_is_refused(whole: Whole, tmp_path: Path) -> None:
    folder, _, _, _ = whole
    with pytest.raises(BadValueError, match="no search"):
        taskgrove.pick(tmp_path, folder / "grove", trial=0)
    with pytest.raises(BadValueError, match="does not exist"):
        taskgrove.pick(folder / "out", folder / "grove", trial=99)
    fork_store(folder / "grove", tmp_path / "fork")
    with pytest.raises(BadValueError, match="another system"):
        taskgrove.pick(folder / "out", tmp_path / "fork", trial=0)


def test_both_commands(tmp_path: Path) -> None:
    file, out, grove = written(tmp_path), tmp_path / "out", tmp_path / "grove"

    def call(*words: str | Path) -> Any:
        return CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)

    said = call("search", file, "--store", grove, "--out", out, "--trials", "1")
    assert said.exit_code == 0
    assert "finished: trial 0, gain" in said.stderr
    assert "1 of 1 trial finished." in (out / "search.md").read_text(encoding="utf-8")
    (front,) = json.loads(
        call("search", file, "--store", grove, "--out", out, "--trials", "1", "--json").stdout
    )
    assert front["number"] == 0
    assert "merged" in call("pick", out, "--trial", "0", "--store", grove).stdout
    assert "had been picked" in call("pick", out, "--trial", "0", "--store", grove).stdout
