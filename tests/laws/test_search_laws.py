"""Law 3 and its kin: who runs what, and when, changes nothing; every prefix of a run is a sound system."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from taskgrove.agents.methods.mu2net_plus import Mu2NetPlusOptions
from taskgrove.agents.population import score_of
from taskgrove.coordinator.loop import Run
from taskgrove.domain.records import BeginIteration, EndIteration
from taskgrove.domain.view import SystemView
from taskgrove.scoring.accounting import accounted_params
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.testing.executors import OutOfOrder
from taskgrove.testing.layouts import TINY, tiny_score, tiny_store
from taskgrove.testing.runs import Interrupted, grow, interrupt_at, log_of, run_of
from tests.laws.examples import examples

CHILDREN, ITERATIONS = 3, 2
NUM_CHILDREN = 2 * ITERATIONS * 2 * CHILDREN
few = examples(6)
seeds = st.integers(0, 2**63 - 1)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """A run of two tasks, of any seed and options."""
    options = Mu2NetPlusOptions(
        generations=2,
        children=CHILDREN,
        private=draw(st.sampled_from(["train", "mutate"])),
        learn_mu=draw(st.booleans()),
        regrow=draw(st.booleans()),
    )
    return run_of(ITERATIONS, seed=draw(seeds), score=tiny_score(), options=options)


def grown(run: Run) -> Store:
    store = tiny_store(MemoryBackend())
    grow(store, run)
    return store


def system(view: SystemView) -> SystemView:
    """What the order of commits does not decide."""
    return replace(view, number=0)


@few
@given(runs(), seeds)
def test_children_may_end_in_any_order(run: Run, seed: int) -> None:
    store, rng = tiny_store(MemoryBackend()), Random(seed)
    executor = OutOfOrder(CHILDREN, rng.randrange)
    view = grow(store, run, executor=executor, observe=executor.observe)
    assert system(view) == system(grown(run).view())


@few
@given(runs(), seeds, st.integers(0, NUM_CHILDREN - 1))
def test_a_run_may_be_killed_while_children_end_in_any_order(run: Run, seed: int, kill: int) -> None:
    store, rng = tiny_store(MemoryBackend()), Random(seed)
    executor = OutOfOrder(CHILDREN, rng.randrange)
    with pytest.raises(Interrupted):
        grow(store, run, executor=executor, observe=executor.observe, before_training=interrupt_at(kill))
    view = grow(Store.open(store.backend), run)
    assert system(view) == system(grown(run).view())


@few
@given(runs())
def test_the_same_run_writes_the_same_log(run: Run) -> None:
    assert log_of(grown(run).backend) == log_of(grown(run).backend)


@few
@given(runs(), seeds)
def test_another_seed_finds_other_models(run: Run, seed: int) -> None:
    assume(seed != run.seed)
    one, two = grown(run).view(), grown(replace(run, seed=seed)).view()
    assert set(one.bests.values()).isdisjoint(two.bests.values())


@few
@given(runs())
def test_accounted_parameters_add_up_after_every_commit(run: Run) -> None:
    store = grown(run)
    for number in range(store.view().number + 1):
        view = store.view(number)
        total = math.fsum(accounted_params(model, view) for model in view.published())
        sizes = {c.id: c.num_params for model in view.published() for c in model.components}
        assert math.isclose(total, sum(sizes.values()), rel_tol=1e-12)


@few
@given(runs())
def test_an_iteration_never_ends_with_a_lower_score_than_it_began_with(run: Run) -> None:
    store, score = grown(run), tiny_score()
    began: dict[str, SystemView] = {}
    for commit in store.history():
        if isinstance(commit.operation, BeginIteration):
            began[commit.operation.task] = store.view(commit.number)
        if isinstance(commit.operation, EndIteration):
            end = commit.operation
            best = began[end.task].best(end.task)
            assert end.score is not None
            assert best is None or end.score >= score_of(best, began[end.task], score)


@few
@given(runs())
def test_what_is_grown_is_sound(run: Run) -> None:
    store = grown(run)
    assert check(store.backend).problems == ()
    for model in store.view().models.values():
        TINY.check([component.slot for component in model.components])
