"""The history as TensorBoard reads it back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from taskgrove.domain.errors import BadValueError, MissingExtraError
from taskgrove.domain.records import AddEvaluation, FinishChild
from taskgrove.reports.pages.tensorboard import Scalar, export, scalars
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.testing.layouts import tiny_store
from taskgrove.testing.runs import grow, run_of


@pytest.fixture(scope="module")
def store() -> Store:
    backend = MemoryBackend()
    grow(tiny_store(backend), run_of(2))
    return Store.open(backend)


def read(folder: Path, run: str) -> list[Scalar]:
    loaders = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    (file,) = (folder / run).glob("events.out.tfevents.*")
    events = loaders.LegacyEventFileLoader(str(file)).Load()
    return [
        Scalar(run=run, tag=value.tag, step=event.step, time=event.wall_time, value=value.simple_value)
        for event in events
        for value in event.summary.value
    ]


def test_every_child_and_every_published_model_is_a_point(store: Store) -> None:
    found = list(scalars(store.history()))
    operations = [commit.operation for commit in store.history()]
    children = [op for op in operations if isinstance(op, FinishChild) and op.task == "a"]
    assert children
    curve = [s for s in found if (s.run, s.tag) == ("tasks/a", "children/validation accuracy")]
    assert [s.value for s in curve] == [op.result.quality for op in children if op.result is not None]
    assert [s.step for s in curve] == list(range(1, len(children) + 1))
    tested = [op.evaluation.accuracy for op in operations if isinstance(op, AddEvaluation)]
    assert sorted(s.value for s in found if s.tag == "published/test accuracy") == sorted(tested)
    assert len([s for s in found if s.tag == "system/mean_test_accuracy"]) == 4
    assert len([s for s in found if s.tag == "published/validation accuracy"]) == 4


def test_what_is_written_is_read_back_and_written_again_once(store: Store, tmp_path: Path) -> None:
    expected = list(scalars(store.history()))
    for _ in range(2):
        assert export(store.history(), tmp_path) == len(expected)
    for run in ("system", "tasks/a", "tasks/b"):
        found, wanted = read(tmp_path, run), [s for s in expected if s.run == run]
        assert [(s.tag, s.step) for s in found] == [(s.tag, s.step) for s in wanted]
        assert [s.value for s in found] == pytest.approx([s.value for s in wanted], rel=1e-6)
        assert [s.time for s in found] == pytest.approx([s.time for s in wanted])


def test_a_file_is_no_folder(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadValueError, match="is a file"):
        export(store.history(), tmp_path / "file")


def test_without_the_extra_it_is_named(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"taskgrove\[tensorboard\]"):
        export(store.history(), tmp_path)
