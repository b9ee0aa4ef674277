"""The backend that fails on purpose fails as planned, and is an ordinary backend otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from taskgrove.domain.errors import EnvironmentFailure, StoreCorruptError
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend
from taskgrove.store.store import Store
from taskgrove.testing.backends import BackendSuite
from taskgrove.testing.faults import Fault, FaultyBackend, Plan, always, at, at_random
from taskgrove.testing.scripts import life, play

VERBS: dict[str, Callable[[AbstractBackend], object]] = {
    "get": lambda backend: backend.get("a"),
    "size": lambda backend: backend.size("a"),
    "put_new": lambda backend: backend.put_new("a", b"12345"),
    "put": lambda backend: backend.put("a", b"12345"),
    "list": lambda backend: [*backend.list("")],
    "delete": lambda backend: backend.delete(["a"]),
}
every_verb = pytest.mark.parametrize("verb", VERBS)


def never(_: int, __: str) -> Fault | None:
    return None


class TestFaulty(BackendSuite):
    @pytest.fixture
    def backend(self) -> AbstractBackend:
        return FaultyBackend(MemoryBackend(), never)


@every_verb
def test_every_verb_can_fail_before_its_work(verb: str) -> None:
    memory = MemoryBackend()
    with pytest.raises(EnvironmentFailure, match="in trouble"):
        VERBS[verb](FaultyBackend(memory, always(Fault.ERROR_BEFORE, verb)))
    assert memory.get("a") is None


@every_verb
def test_every_verb_can_fail_after_its_work(verb: str) -> None:
    memory = MemoryBackend()
    if verb == "delete":
        memory.put("a", b"1")
    with pytest.raises(EnvironmentFailure, match="before the reply"):
        VERBS[verb](FaultyBackend(memory, always(Fault.ERROR_AFTER, verb)))
    assert memory.get("a") == (b"12345" if verb in ("put", "put_new") else None)


@every_verb
def test_every_verb_can_be_slow(verb: str) -> None:
    pauses: list[float] = []
    backend = FaultyBackend(MemoryBackend(), always(Fault.SLOW, verb), pause_s=7.0, sleep=pauses.append)
    VERBS[verb](backend)
    assert pauses == [7.0]


def test_a_torn_read_is_the_first_half() -> None:
    memory = MemoryBackend()
    memory.put("a", b"12345")
    backend = FaultyBackend(memory, at(0, Fault.TORN_READ))
    assert [backend.get("a"), backend.get("a"), backend.get("b")] == [b"12", b"12345", None]


def test_readers_refuse_torn_blobs() -> None:
    memory = MemoryBackend()
    writer = Store.create(memory)
    blob = writer.put_blob(b"a blob of some length")
    reader = Store.open(memory)
    reader.backend = FaultyBackend(memory, always(Fault.TORN_READ, "get"))
    with pytest.raises(StoreCorruptError):
        reader.get_blob(blob)


def drawn(plan: Plan, verb: str, calls: int = 4000) -> dict[Fault | None, float]:
    counts = Counter(plan(call, verb) for call in range(calls))
    return {fault: count / calls for fault, count in counts.items()}


def test_faults_come_as_often_as_planned() -> None:
    plan = at_random(0, 0.1, 0.2, errors=0.2, slow=0.1, torn_reads=0.3)
    everywhere: dict[Fault | None, float] = {Fault.ERROR_BEFORE: 0.1, Fault.ERROR_AFTER: 0.1, Fault.SLOW: 0.1}
    expected: dict[str, dict[Fault | None, float]] = {
        "put_new": {Fault.LOST_REPLY: 0.1, Fault.FALSE_EXISTS: 0.2, None: 0.4, **everywhere},
        "get": {Fault.TORN_READ: 0.3, None: 0.4, **everywhere},
        "put": {None: 0.7, **everywhere},
    }
    for verb, shares in expected.items():
        assert drawn(plan, verb) == pytest.approx(shares, abs=0.03)


def test_what_was_not_asked_for_changes_no_draw() -> None:
    alone, among = at_random(1, 0.3, 0.3), at_random(1, 0.3, 0.3)
    faults = [alone(call, "put_new") for call in range(50)]
    assert faults == [(among(call, "get"), among(call, "put_new"))[1] for call in range(50)]


def test_a_life_goes_on_through_slow_calls_and_lost_replies() -> None:
    memory = MemoryBackend()
    Store.create(memory)
    plan = at_random(3, 0.2, 0.2, slow=0.2)
    play(Store.open(FaultyBackend(memory, plan, sleep=lambda _: None)), life())
    assert Store.open(memory).view().number == len(life()) - 1
