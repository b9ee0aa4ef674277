"""Learn to Bind and Grow (004): binding, growing, training at two rates, publishing all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from taskgrove.agents.base import Assignment
from taskgrove.agents.methods.bind_grow import GROWN, BindGrow, BindGrowOptions, BindGrowState
from taskgrove.coordinator.base import Event
from taskgrove.domain.errors import BadValueError, CommitRefusedError, UnknownNameError
from taskgrove.domain.ids import CommitId, SlotName, TaskName
from taskgrove.domain.jobs import Clone, Completed, Found, Fresh, ProbeJob, ProbeResult, Share, TrainJob
from taskgrove.domain.records import AddEvaluation, FinishChild, FinishProbe, Operation, Publish
from taskgrove.domain.view import SystemView
from taskgrove.experiment.build import check_spec
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec, TaskEntry
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.index.index import Index
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.testing.faults import Fault, FaultyBackend, Killed
from taskgrove.testing.layouts import (
    TINY,
    offspring,
    tiny_equipment,
    tiny_root,
    tiny_store,
    tiny_task,
    tiny_view,
)
from taskgrove.testing.runs import grow, log_of, run_of
from taskgrove.trainer.fake import FakeTrainer

A, B, C = (TaskName(name) for name in "abc")
TASKS = ("a", "b", "c")
ROOT = tiny_root()
BODY = tuple(slot for slot in TINY.root_slots() if slot != "head")
OF_B = offspring(ROOT, "b", own=(*BODY, "head"), quality=0.6)
OF_C = offspring(OF_B, "c", own=("block_1", "head"), quality=0.7)
VIEW = tiny_view(OF_B, OF_C, tasks=TASKS)


def agent_of(**options: Any) -> BindGrow:
    return BindGrow(equipment=tiny_equipment(), options=BindGrowOptions(**options))


def compared(
    agent: BindGrow, conflicts: Mapping[str, Mapping[str, float]], view: SystemView = VIEW
) -> BindGrowState:
    """An iteration of task `a` whose independent net conflicts so with the other tasks' models."""
    state = agent.init(view, Assignment(seed=0, task=A, iteration=0))
    (job,) = agent.ask(state, view)
    outcome = FakeTrainer(Store.create(MemoryBackend()), TINY).train(job)
    state = agent.tell(state, (Completed(job=job, outcome=outcome),), view)
    found = []
    for study in agent.studies(state, view):
        assert isinstance(study, ProbeJob)
        task = view.models[study.models[1]].task
        values = {SlotName(slot): value for slot, value in conflicts[str(task)].items()}
        found.append(Found(study=study, result=ProbeResult(conflicts=values, num_samples=9)))
    return agent.learn(state, found, view)


def grown(agent: BindGrow, conflicts: Mapping[str, Mapping[str, float]]) -> TrainJob:
    (job,) = agent.ask(compared(agent, conflicts), VIEW)
    return job


FAR = {**dict.fromkeys(map(str, BODY), 0.9), "head": 0.0}
NEAR = {**dict.fromkeys(map(str, BODY), 0.0), "block_0": 0.1, "block_1": 0.3, "head": 1.0}


def test_the_first_task_keeps_its_independent_net() -> None:
    agent, view = agent_of(), tiny_view(tasks=TASKS)
    state = agent.init(view, Assignment(seed=0, task=A, iteration=0))
    (job,) = agent.ask(state, view)
    assert all(isinstance(origin, Clone) for slot, origin in job.slots if slot != "head")
    assert dict(job.slots)[SlotName("head")] == Fresh()
    outcome = FakeTrainer(Store.create(MemoryBackend()), TINY).train(job)
    state = agent.tell(state, (Completed(job=job, outcome=outcome),), view)
    assert agent.studies(state, view) == ()
    assert agent.finished(state)
    assert agent.conclude(state, view).best is not None


def test_it_binds_to_the_task_with_the_least_conflict() -> None:
    assert grown(agent_of(), {"b": FAR, "c": NEAR}).parent == OF_C.id
    assert grown(agent_of(), {"b": NEAR, "c": FAR}).parent == OF_B.id
    assert grown(agent_of(rank=1), {"b": NEAR, "c": FAR}).parent == OF_C.id
    assert grown(agent_of(rank=9), {"b": NEAR, "c": FAR}).parent == OF_C.id


def test_a_heads_conflict_counts_for_nothing() -> None:
    high = {**NEAR, "head": 2.0}
    job = grown(agent_of(delta=1.0), {"b": high, "c": {**NEAR, "block_0": 0.2}})
    assert job.parent == OF_B.id
    assert {slot for slot, _ in job.slots if f"clone:{slot}" in job.mutations} == set(BODY)


def test_of_layers_that_conflict_equally_the_same_grow_whether_told_or_read_from_the_log() -> None:
    even = dict.fromkeys(map(str, BODY), 0.5)
    back = dict(reversed(even.items()))
    told, read = (grown(agent_of(delta=0.4), {"b": FAR, "c": found}) for found in (even, back))
    assert told == read
    assert {name for name in told.mutations if "clone" in name} == {f"clone:{slot}" for slot in BODY[:3]}


def test_the_nucleus_is_copied_the_rest_trained_more_slowly_and_the_head_is_new() -> None:
    job = grown(agent_of(delta=0.7, shared_lr_scale=0.25), {"b": FAR, "c": NEAR})
    ids = {c.slot: c.id for c in OF_C.components}
    expected = {slot: Clone(component=ids[slot], rate=0.25) for slot in BODY}
    assert dict(job.slots) == {
        **expected,
        SlotName("block_1"): Clone(component=ids[SlotName("block_1")]),
        SlotName("head"): Fresh(),
    }
    tuned = {f"tune:{slot}" for slot in BODY if slot != "block_1"}
    assert set(job.mutations) == {"bind:c", "clone:block_1", *tuned}
    assert set(job.mutations.values()) == {1.0}


def test_thrifty_growth_copies_the_layer_that_conflicts_most_per_parameter() -> None:
    sizes = {c.slot: c.num_params for c in OF_C.components}
    large, small = max(BODY, key=lambda slot: sizes[slot]), min(BODY, key=lambda slot: sizes[slot])
    near = {**dict.fromkeys(map(str, BODY), 0.0), large: 0.6, small: 0.4}
    for way, copied in (("nucleus", large), ("thrifty", small)):
        job = grown(agent_of(delta=0.3, grow=way), {"b": FAR, "c": near})
        assert {name for name in job.mutations if name.startswith("clone:")} == {f"clone:{copied}"}


def test_shared_layers_may_be_frozen() -> None:
    job = grown(agent_of(delta=0.7, shared_lr_scale=0.0), {"b": FAR, "c": NEAR})
    shared = {slot for slot, origin in job.slots if isinstance(origin, Share)}
    assert shared == {slot for slot in BODY if slot != "block_1"}
    assert not agent_of(shared_lr_scale=0.0).changes_others


def test_the_head_may_be_the_bound_tasks() -> None:
    head = next(c.id for c in OF_C.components if c.slot == "head")
    job = grown(agent_of(head="shared", delta=1.0), {"b": FAR, "c": NEAR})
    assert dict(job.slots)[SlotName("head")] == Clone(component=head, rate=0.1)
    wide = replace(tiny_task("c"), class_names=tuple("vwxyz"))
    view = replace(VIEW, tasks={**VIEW.tasks, C: wide})
    agent = agent_of(head="shared")
    assert agent.init(view, Assignment(seed=0, task=A, iteration=0)).candidates == (B,)


def test_something_is_always_trained() -> None:
    job = grown(agent_of(head="shared", delta=0.0, shared_lr_scale=0.0), {"b": FAR, "c": NEAR})
    assert [slot for slot, origin in job.slots if not isinstance(origin, Share)] == ["head"]
    assert dict(job.slots)[SlotName("head")] == Fresh()


def test_private_tasks_are_no_candidates() -> None:
    view = replace(VIEW, tasks={**VIEW.tasks, C: replace(tiny_task("c"), private=True)})
    assert agent_of().init(view, Assignment(seed=0, task=A, iteration=0)).candidates == (B,)


def test_all_tasks_that_use_a_trained_layer_get_new_models() -> None:
    agent = agent_of(delta=0.7)
    state = compared(agent, {"b": FAR, "c": NEAR})
    (job,) = agent.ask(state, VIEW)
    done = Completed(job=job, outcome=FakeTrainer(Store.create(MemoryBackend()), TINY).train(job))
    state = agent.tell(state, (done,), VIEW)
    assert not agent.finished(state)
    trainer = FakeTrainer(Store.create(MemoryBackend()), TINY)
    found = [Found(study=study, result=trainer.study(study)) for study in agent.studies(state, VIEW)]
    state = agent.learn(state, found, VIEW)
    assert agent.finished(state)
    proposal, verdict = agent.conclude(state, VIEW), agent.judge(state, done, VIEW)
    assert verdict.model is not None
    assert proposal.best == verdict.model.id
    new = {c.slot: c.id for c in verdict.model.components}
    assert [model.task for model in proposal.others] == [B, C]
    for model, before in zip(proposal.others, (OF_B, OF_C), strict=True):
        for component, old in zip(model.components, before.components, strict=True):
            # Task b has its own block_1; that of c is bound to and copied, so c keeps it.
            followed = component.slot not in ("block_1", "head")
            assert component.id == (new[component.slot] if followed else old.id)
            if followed:
                assert component.cycles[A] > 0
        assert (model.parent, model.agent) == (before.id, "bind_grow")
        assert {"with:a", "follow:pos"} <= set(model.mutations)


@pytest.mark.parametrize(("generation", "published"), [(GROWN, "the independent net"), (0, "nothing")])
def test_a_net_that_diverges_is_done_without(generation: int, published: str) -> None:
    backend = MemoryBackend()
    agent = agent_of()
    grow(tiny_store(backend, TASKS), run_of(1, (A,), agent=agent))
    run = run_of(1, (A, B), agent=agent)
    view = grow(Store.open(backend), run, fails=lambda job: job.task == B and job.generation == generation)
    assert (B in view.bests) == (published == "the independent net")


def test_a_second_iteration_keeps_what_is_better() -> None:
    agent = agent_of(shared_lr_scale=0.0)
    mine = offspring(OF_B, "a", own=("head",), quality=0.9999)
    view = tiny_view(OF_B, OF_C, mine, tasks=TASKS)
    state = compared(agent, {"b": FAR, "c": NEAR}, view)
    (job,) = agent.ask(state, view)
    done = Completed(job=job, outcome=FakeTrainer(Store.create(MemoryBackend()), TINY).train(job))
    assert agent.conclude(agent.tell(state, (done,), view), view).best == mine.id


def test_a_streaming_task_is_learned_once() -> None:
    agent = agent_of(setting="streaming")
    agent.init(VIEW, Assignment(seed=0, task=A, iteration=0))
    with pytest.raises(BadValueError, match="streaming"):
        agent.init(VIEW, Assignment(seed=0, task=A, iteration=1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delta": 1.1}, "agent.delta must be between 0 and 1, got 1.1"),
        ({"shared_lr_scale": -0.1}, "agent.shared_lr_scale must be between 0 and 1"),
        ({"samples": 2}, "agent.samples must be at least 3"),
        ({"rank": -1}, "agent.rank must be at least 0"),
        ({"bind": "best"}, "least"),
        ({"grow": "all"}, "nucleus"),
        ({"head": "none"}, "own"),
        ({"setting": "batch"}, "streaming"),
        ({"measure": "rsb"}, "rsa"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises((BadValueError, UnknownNameError), match=message):
        agent_of(**options)


def test_iterations_that_change_other_tasks_models_do_not_overlap() -> None:
    spec = ExperimentSpec(name="x", device="cpu", agent=AgentSpec(method="bind_grow"), schedule="free")
    check_spec(_with_a_task(replace(spec, schedule="sequential")))
    frozen = AgentSpec(method="bind_grow", options={"shared_lr_scale": 0.0})
    with pytest.raises(BadValueError, match="shared_lr_scale"):
        check_spec(_with_a_task(spec))
    check_spec(_with_a_task(replace(spec, agent=frozen)))


def _with_a_task(spec: ExperimentSpec) -> ExperimentSpec:
    return replace(spec, tasks=(TaskEntry(name="digits", source="sklearn:digits"),))


RUN = run_of(2, (A, B, C), agent=agent_of())


@cache
def uninterrupted() -> list[tuple[int, CommitId, Operation]]:
    backend = MemoryBackend()
    grow(tiny_store(backend, TASKS), RUN)
    return log_of(backend)


def test_what_it_chose_by_and_what_it_published_is_in_the_log() -> None:
    operations = [operation for _, _, operation in uninterrupted()]
    probes = [op for op in operations if isinstance(op, FinishProbe)]
    assert [(p.task, p.other) for p in probes[:3]] == [(B, A), (C, A), (C, B)]
    assert all(set(p.conflicts) == set(TINY.root_slots()) for p in probes)
    published = [op for op in operations if isinstance(op, Publish)]
    children = {op.model.id for op in operations if isinstance(op, FinishChild) and op.model is not None}
    assert published
    for op in published:
        assert op.models[0].id in children
        assert len({model.task for model in op.models}) == len(op.models) > 1


def test_every_published_model_is_tested() -> None:
    backend = MemoryBackend()
    grow(tiny_store(backend, TASKS), RUN)
    state = Store.open(backend).state
    tested = [op.evaluation.model for _, _, op in log_of(backend) if isinstance(op, AddEvaluation)]
    assert set(state.view.bests.values()) <= set(tested)
    published = [m for _, _, op in log_of(backend) if isinstance(op, Publish) for m in op.models]
    assert {model.id for model in published} <= set(tested)


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("fault", [Fault.DEATH_BEFORE, Fault.DEATH_AFTER], ids=["before", "after"])
def test_killed_at_any_commit_it_goes_on(fault: Fault, every: int) -> None:
    first = 0 if fault is Fault.DEATH_BEFORE else every // 2
    for number in range(first, len(uninterrupted()) - 4, every):
        backend = MemoryBackend()
        store = tiny_store(backend, TASKS)
        left = number

        def plan(_: int, verb: str) -> Fault | None:
            nonlocal left
            left -= verb == "put_new"
            return fault if left < 0 else None

        store.backend = FaultyBackend(backend, plan)
        with pytest.raises(Killed):
            grow(store, RUN)
        grow(Store.open(backend), RUN)
        assert log_of(backend) == uninterrupted()
        assert check(backend, deep=False).problems == ()


def test_models_that_were_changed_meanwhile_are_not_overwritten() -> None:
    """Somebody else publishes a model of another task while this one is trained."""
    backend = MemoryBackend()
    store = tiny_store(backend, TASKS)
    grow(store, run_of(1, (A,), agent=agent_of()))

    def meanwhile(job: TrainJob) -> None:
        if job.generation == GROWN:
            other = run_of(4, (A,), name="other", agent=agent_of(shared_lr_scale=0.0))
            grow(Store.open(backend), other)

    before = Store.open(backend).view().bests[A]
    with pytest.raises(CommitRefusedError, match="another agent has"):
        grow(store, run_of(1, (A, B), agent=agent_of()), before_training=meanwhile)
    after = Store.open(backend).view()
    assert before != after.bests[A]
    assert B not in after.bests


def test_the_index_tells_what_the_log_tells(tmp_path: Path) -> None:
    store = tiny_store(MemoryBackend(), TASKS)
    view = grow(store, RUN)
    with Index(store, tmp_path) as index:
        assert {best.task: best.model for best in index.bests()} == dict(view.bests)


def test_progress_reaches_its_end_though_the_first_task_needs_no_second_net() -> None:
    events: list[Event] = []
    grow(tiny_store(MemoryBackend(), TASKS), RUN, observe=events.append)
    assert events[-1].done == events[-1].total == events[0].total - 1
