"""Notes of life: renewed while an agent lives, gone when it ends, and never in its way."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import msgspec
from typer.testing import CliRunner

from taskgrove.cli.main import app
from taskgrove.coordinator.base import Event, Stage
from taskgrove.domain.ids import AgentName, TaskName
from taskgrove.experiment.pulse import Pulse, both, new_holder, note_of
from taskgrove.reports.words.agents import as_json, as_rich, at_work
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.presence import AGENTS, EVERY_S, Presence, note_key, present
from taskgrove.store.state import Claimed
from taskgrove.testing.faults import Fault, FaultyBackend, always
from taskgrove.testing.layouts import tiny_store
from taskgrove.testing.runs import A, run_of

CHILD = Event(stage=Stage.CHILD, task=A, iteration=1, done=1, total=4)


def note(holder: str = "me", began: float = 100.0, **fields: float) -> Presence:
    run = replace(run_of(), holder=holder)
    return msgspec.structs.replace(note_of(holder, run, "mu2net_plus", "cpu", began), **fields)


def test_a_note_is_renewed_while_the_agent_lives_and_gone_afterwards() -> None:
    backend, clock = MemoryBackend(), count(101)
    with Pulse(backend, note(), clock=lambda: float(next(clock)), every_s=0.01) as pulse:
        first = present(backend)[0]
        pulse.observe(CHILD)
        pulse.observe(replace(CHILD, recovered=True))
        deadline = time.monotonic() + 30
        while (now := present(backend)[0]).children == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert (first.children, first.doing) == (0, "")
    assert now.seen > first.seen
    assert (now.children, now.doing) == (1, "a iteration 1: child")
    assert present(backend) == []


def test_agents_that_were_killed_long_ago_are_forgotten() -> None:
    backend, day = MemoryBackend(), 24 * 3600.0
    for one in (note("long dead", seen=100.0), note("silent", seen=100.0 + 2 * day)):
        backend.put(note_key(one), msgspec.json.encode(one))
    with Pulse(backend, note("me", began=100.0 + 8 * day), clock=lambda: 100.0 + 8 * day):
        assert {found.holder for found in present(backend)} == {"silent", "me"}
    assert {found.holder for found in present(backend)} == {"silent"}


def test_a_storage_that_fails_only_misses_notes() -> None:
    broken = FaultyBackend(MemoryBackend(), always(Fault.DISK_FULL, "put"))
    with Pulse(broken, note(), every_s=0.001) as pulse:
        pulse.observe(CHILD)
        time.sleep(0.01)
    assert present(broken) == []


def test_notes_that_cannot_be_read_are_left_out() -> None:
    backend = MemoryBackend()
    backend.put(f"{AGENTS}a.json", b"{}")
    backend.put(f"{AGENTS}b.json", b"half a no")
    for one in (note("young", 200.0), note("old", 50.0)):
        backend.put(note_key(one), msgspec.json.encode(one))
    assert [found.holder for found in present(backend)] == ["old", "young"]


def test_every_process_has_a_name_of_its_own_and_a_key() -> None:
    names = {new_holder() for _ in range(10)}
    assert len(names) == 10
    assert len({note_key(note(name)) for name in names}) == 10


def test_who_is_silent_for_long_is_lost_and_who_lost_its_claim_is_told() -> None:
    claims = {TaskName("a"): Claimed(token=7, agent=AgentName("x"), holder="other")}
    fresh, silent = note("me", seen=1000.0, children=30), note("dead", seen=1000.0 - 4 * EVERY_S)
    rows = at_work([silent, fresh], claims, 1001.0)
    assert [(row.alive, row.fenced) for row in rows] == [(False, ("a",)), (True, ("a",))]
    assert rows[1].note.children_per_hour == 3600 * 30 / 900
    assert as_json(rows)[1]["children_per_hour"] == 120.0
    assert not isinstance(as_rich(rows), str)
    assert "Nobody" in str(as_rich(()))


def test_two_observers_hear_everything() -> None:
    heard: list[Event] = []
    both(heard.append, heard.append)(CHILD)
    assert heard == [CHILD, CHILD]


def test_the_command_lists_who_is_at_work(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    tiny_store(backend)
    now = note("host:1:ab", time.time(), seen=time.time())
    backend.put(note_key(now), msgspec.json.encode(now))
    result = CliRunner().invoke(app, ["agents", str(tmp_path), "--json"])
    (row,) = json.loads(result.stdout)
    assert (row["holder"], row["alive"], row["tasks"]) == ("host:1:ab", True, ["a", "b"])
