"""Agents that claim their tasks: whoever was thought dead is refused, says so, and has done no harm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from taskgrove.coordinator.loop import Run
from taskgrove.domain.errors import ClaimLostError
from taskgrove.domain.jobs import TrainJob
from taskgrove.domain.records import Claim
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.testing.layouts import tiny_store
from taskgrove.testing.runs import A, Interrupted, grow, interrupt_at, run_of


def held_by(holder: str, iterations: int = 2) -> Run:
    return replace(run_of(iterations), holder=holder)


def operations(backend: MemoryBackend) -> list[object]:
    history = Store.open(backend, writable=False).history()
    return [c.operation for c in history if not isinstance(c.operation, Claim)]


def undisturbed() -> list[object]:
    backend = MemoryBackend()
    grow(tiny_store(backend), run_of(2))
    return operations(backend)


@pytest.mark.parametrize("child", [0, 1, 3, 6, 9])
def test_an_agent_that_was_thought_dead_is_refused_at_its_next_commit(child: int) -> None:
    """It sleeps in the training of a child while another does its work to the end."""
    backend = MemoryBackend()
    tiny_store(backend)
    trained = 0

    def sleep(job: TrainJob) -> None:
        nonlocal trained
        trained += 1
        if trained == child + 1:
            grow(Store.open(backend), held_by("the second"))

    with pytest.raises(ClaimLostError, match="belongs to the second"):
        grow(Store.open(backend), held_by("the first"), before_training=sleep)
    assert operations(backend) == undisturbed()
    assert check(backend, deep=False).ok


def test_a_killed_agent_is_taken_up_under_a_new_claim() -> None:
    backend = MemoryBackend()
    with pytest.raises(Interrupted):
        grow(tiny_store(backend), held_by("the first"), before_training=interrupt_at(3))
    grow(Store.open(backend), held_by("the second"))
    assert operations(backend) == undisturbed()


def test_a_run_without_a_name_claims_only_what_somebody_had_claimed() -> None:
    backend = MemoryBackend()
    grow(tiny_store(backend), replace(held_by("the first", 1), mine=(A,)))
    store = Store.open(backend)
    grow(store, run_of(2))
    claimed = [c.operation.task for c in store.history() if isinstance(c.operation, Claim)]
    assert claimed == [A, A]
    assert store.state.view.progress["tiny"] == {"a": 2, "b": 2}
