"""`kill -9` of writers, and of their server: whatever was acknowledged is there, once, and sound."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import Entry
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.store.upkeep.collect import collect
from taskgrove.store.upkeep.retention import Retention
from taskgrove.testing.scripts import accept, add_root, add_task, begin, end, note, play, start
from tests.crash.torture import Plan, Verdict, judge, torture
from tests.crash.torture_server import killable
from tests.crash.torture_writer import Acked, backend_of, child, digest_of


def nothing_was_lost(verdict: Verdict) -> None:
    assert verdict.died == ()
    assert verdict.lost == ()
    assert verdict.duplicated == ()
    assert verdict.problems == ()
    assert verdict.orphans_left == 0
    assert verdict.acked > verdict.kills
    assert verdict.commits >= verdict.acked


def on_folder(folder: Path, plan: Plan) -> Verdict:
    (folder / "notes").mkdir()
    return torture(str(folder / "store"), folder / "notes", plan)


def on_s3(folder: Path, plan: Plan) -> Verdict:
    (folder / "notes").mkdir()
    with killable(folder / "server") as server:
        return torture(server.service.at("store"), folder / "notes", plan, server)


def test_the_judge_notices_what_is_lost_or_altered(tmp_path: Path) -> None:
    place, (step, _) = str(tmp_path / "store"), add_root()
    play(Store.create(backend_of(place)), [step])
    right = Acked(step=0, id="step-0", number=0, digest=digest_of(step.operation))
    wrong = [replace(right, id="unheard-of"), replace(right, number=1), replace(right, digest="0")]
    lines = (json.dumps(asdict(acked)) + "\n" for acked in (right, *wrong))
    (tmp_path / "one.acked").write_text("".join(lines))
    (tmp_path / "one.remarks").write_text("collected\n")
    verdict = judge(place, tmp_path, ["one"], Plan(kills=0), 0.0, ())
    assert verdict.lost == tuple(acked.id for acked in wrong)
    assert (verdict.acked, verdict.commits, verdict.remarks) == (4, 1, {"collected": 1})


def test_a_store_can_be_opened_while_others_write(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = MemoryBackend()
    writer, listing = Store.create(backend), backend.list

    def listed(prefix: str) -> Iterator[Entry]:
        writer.commit(note("written while the store is opened").operation)
        return listing(prefix)

    monkeypatch.setattr(backend, "list", listed)
    assert Store.open(backend, writable=False).state == writer.state


def test_a_blob_that_dies_between_its_putting_and_its_commit_is_put_again() -> None:
    """When it was put it was live, under the name of an older epoch, so nothing was written."""
    backend, (root, parent) = MemoryBackend(), add_root()
    store = Store.create(backend)
    shared, (other, best) = child(parent, "a", 0, 0)[0], accept(parent, "a", 0, 1)
    play(store, [root, add_task("a"), add_task("b"), start("ab"), begin("a"), begin("b"), shared, other])
    store.put_blob(b"garbage")
    collect(store, grace_s=0)
    writer, (step, _) = Store.open(backend), child(parent, "b", 0, 0)
    for data in step.blobs:
        writer.put_blob(data)
    store.commit(end("a", best.id).operation)
    writer.commit(step.operation)
    collect(store, Retention(ancestors=0), grace_s=0)
    assert check(backend).problems == ()


def test_writers_of_a_folder_are_killed(tmp_path: Path) -> None:
    nothing_was_lost(on_folder(tmp_path, Plan(kills=15)))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_writers_of_a_folder_are_killed_very_often(tmp_path: Path) -> None:
    verdict = on_folder(tmp_path, Plan(kills=200))
    nothing_was_lost(verdict)
    assert verdict.remarks["collected"] > 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_writers_of_a_bucket_and_its_server_are_killed(tmp_path: Path) -> None:
    verdict = on_s3(tmp_path, Plan(kills=100, server_kills=2, longest_s=2.0))
    nothing_was_lost(verdict)
    assert verdict.remarks["environment"] > 0, "no writer noticed that the server was dead"
