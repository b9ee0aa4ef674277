"""Conflicts as a prior for µ2Net+: whose children come first, and which layers are cloned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from taskgrove.agents.base import Assignment
from taskgrove.agents.conflicts import clone_weights
from taskgrove.agents.methods.mu2net_plus import Mu2NetPlus, Mu2NetPlusOptions
from taskgrove.agents.population import sample_parent
from taskgrove.coordinator.schedule import Schedule
from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.ids import ModelId, SlotName, TaskName
from taskgrove.domain.jobs import ProbeJob
from taskgrove.domain.records import FinishChild, FinishProbe
from taskgrove.domain.view import SystemView
from taskgrove.mutations.base import Draft, MutationContext, Plan
from taskgrove.mutations.kinds.clone_component import CloneComponent
from taskgrove.mutations.mu import sample_mutations
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.testing.agents import carry_out
from taskgrove.testing.layouts import SPACE, TINY, offspring, tiny_equipment, tiny_root, tiny_store, tiny_view
from taskgrove.testing.runs import Interrupted, grow, interrupt_at, log_of, run_of

A, B, C = (TaskName(name) for name in "abc")
ROOT = tiny_root()
OF_B = offspring(ROOT, "b", own=("block_1", "head"), quality=0.6)
OF_C = offspring(ROOT, "c", own=("block_0", "head"), quality=0.7)
MINE = offspring(ROOT, "a", own=("head",), quality=0.5)
WEIGHTS: Mapping[str, float] = {"clone:block_0": 2.0, "clone:block_1": 0.0, "clone:embedding": 9.0}


def agent_of(**options: Any) -> Mu2NetPlus:
    return Mu2NetPlus(
        equipment=tiny_equipment(), options=Mu2NetPlusOptions(generations=2, children=3, **options)
    )


def test_parents_that_conflict_less_come_first_and_others_where_chance_puts_them() -> None:
    others, conflicts = (ROOT, OF_B, OF_C), {OF_B.id: 0.9, OF_C.id: 0.1}
    first: Counter[ModelId] = Counter()
    for seed in range(3000):
        first[sample_parent((), others, {}, Random(seed), conflicts).id] += 1
    assert first[OF_B.id] == 0
    assert abs(first[ROOT.id] - 1000) < 150
    assert first[OF_C.id] == 3000 - first[ROOT.id]


def test_without_conflicts_parents_are_drawn_as_in_the_paper() -> None:
    for seed in range(200):
        plain = sample_parent((), (ROOT, OF_B, OF_C), {ROOT.id: 1}, Random(seed))
        assert plain == sample_parent((), (ROOT, OF_B, OF_C), {ROOT.id: 1}, Random(seed), {})


def test_layers_are_cloned_in_proportion_to_their_conflict() -> None:
    weights = clone_weights({SlotName("block_0"): 0.3, SlotName("block_1"): 0.1})
    assert weights == pytest.approx({"clone:block_0": 1.5, "clone:block_1": 0.5})
    assert sum(weights.values()) / len(weights) == pytest.approx(1.0)


def test_a_weight_multiplies_the_probability_of_its_action_alone() -> None:
    plans = tuple(Plan(slot=c.slot, component=c, trainable=False) for c in ROOT.components)
    draft = Draft(plans=plans, hparams=SPACE.defaults())
    context = MutationContext(layout=TINY, space=SPACE, num_classes=3)
    drawn: Counter[str] = Counter()
    for seed in range(4000):
        sampled = sample_mutations(
            draft, {}, (CloneComponent(),), context, Random(seed), learned=False, weights=WEIGHTS
        )
        drawn.update(list(sampled.applied))
        assert sampled.applied.get("clone:block_0") in (None, pytest.approx(0.4))
    assert drawn["clone:block_1"] == 0
    assert abs(drawn["clone:block_0"] - 1600) < 200
    assert abs(drawn["clone:pos"] - 800) < 150
    assert drawn["clone:embedding"] == 4000


def test_it_compares_once_the_task_has_a_model() -> None:
    agent, view = agent_of(prior="rsa"), tiny_view(OF_B, OF_C, tasks="abc")
    state = agent.init(view, Assignment(seed=0, task=A, iteration=0))
    assert agent.studies(state, view) == ()
    view = tiny_view(OF_B, OF_C, MINE, tasks="abc")
    state = agent.init(view, Assignment(seed=0, task=A, iteration=1))
    pairs = [study.models for study in agent.studies(state, view) if isinstance(study, ProbeJob)]
    assert pairs == [(MINE.id, OF_B.id), (MINE.id, OF_C.id)]
    assert agent_of().studies(state, view) == ()


@pytest.mark.parametrize("view", [tiny_view(OF_B, MINE), tiny_view(OF_B)], ids=["with a model", "without"])
def test_the_search_goes_on_with_it(view: SystemView) -> None:
    done = carry_out(agent_of(prior="rsa"), view)
    assert len(done.jobs) == 6
    assert any(state.conflicts for state in done.states)
    assert not any(state.conflicts for state in carry_out(agent_of(), view).states)


@pytest.mark.parametrize("schedule", [Schedule.SEQUENTIAL, Schedule.FREE])
def test_an_interrupted_run_goes_on(schedule: Schedule) -> None:
    run = run_of(2, (A, B, C), agent=agent_of(prior="rsa"), schedule=schedule)
    whole = MemoryBackend()
    grow(tiny_store(whole, "abc"), run)
    probes = [op for _, _, op in log_of(whole) if isinstance(op, FinishProbe)]
    assert {probe.task for probe in probes} == {A, B, C}
    for child in (0, 7, 20):
        backend = MemoryBackend()
        with pytest.raises(Interrupted):
            grow(tiny_store(backend, "abc"), run, before_training=interrupt_at(child))
        grow(Store.open(backend), run)
        assert _children(backend) == _children(whole)


def _children(backend: MemoryBackend) -> int:
    return sum(isinstance(operation, FinishChild) for _, _, operation in log_of(backend))


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="none, rsa"):
        agent_of(prior="rsb")
    with pytest.raises(BadValueError, match="at least 3"):
        agent_of(prior="rsa", samples=1)
