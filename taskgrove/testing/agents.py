"""What every agent must do, as tests: subclass `AgentSuite` and give it `agent`.

The agent works on the tiny backbone of `taskgrove.testing.layouts`; keep its options small.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import pytest

from taskgrove.agents.base import AbstractAgent, Assignment, Verdict
from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.jobs import (
    Clone,
    Completed,
    Found,
    Fresh,
    ProbeJob,
    ProbeResult,
    Share,
    Study,
    TrainJob,
    ValidateResult,
)
from taskgrove.domain.proposal import Proposal
from taskgrove.domain.records import Model, identified
from taskgrove.domain.seeds import derive
from taskgrove.domain.view import SystemView
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.testing.layouts import NUM_CLASSES, SPACE, TINY, offspring, tiny_root, tiny_view
from taskgrove.trainer.fake import FakeTrainer

TASK = TaskName("a")

_OTHER = offspring(tiny_root(), "b", own=("block_1", "norm", "head"), quality=0.6)
_MINE = offspring(_OTHER, "a", own=("pos", "norm", "head"), hparams={"data.resolution": 12}, quality=0.1)
VIEWS: Mapping[str, SystemView] = {
    "only a root": tiny_view(),
    "another task has a model": tiny_view(_OTHER),
    "the task has a model": tiny_view(_OTHER, _MINE),
}
"""Systems in which a task iteration of `TASK` may begin."""

Order = Callable[[list[Completed]], list[Completed]]


@dataclass(slots=True)
class Iteration:
    """A task iteration that was carried out: all jobs, verdicts, states by round, and the end."""

    jobs: list[TrainJob]
    verdicts: list[Verdict]
    states: list[Any]
    proposal: Proposal


def carry_out(
    agent: AbstractAgent[Any],
    view: SystemView,
    *,
    seed: int = 0,
    order: Order = lambda completed: completed,
    fails: Callable[[TrainJob], bool] = lambda _: False,
) -> Iteration:
    """A task iteration with the fake trainer.

    Args:
        agent: Whose iteration.
        view: The system at its beginning.
        seed: Of the experiment.
        order: In which outcomes of the jobs asked together are told.
        fails: Which jobs fail.
    """
    trainer = FakeTrainer(Store.create(MemoryBackend()), TINY, fails)
    state = agent.init(view, assignment(view, seed))
    jobs: list[TrainJob] = []
    verdicts: list[Verdict] = []
    states = [state]
    while not agent.finished(state):
        if studies := agent.studies(state, view):
            state = agent.learn(state, [found(study, view) for study in studies], view)
            continue
        asked = agent.ask(state, view)
        assert asked, "an agent that has not finished asks for something"
        before = state
        for done in order([Completed(job=job, outcome=trainer.train(job)) for job in asked]):
            verdicts.append(agent.judge(before, done, view))
            state = agent.tell(state, (done,), view)
        jobs += asked
        states.append(state)
    return Iteration(jobs=jobs, verdicts=verdicts, states=states, proposal=agent.conclude(state, view))


def found(study: Study, view: SystemView) -> Found:
    """Numbers drawn from what a study is about."""
    if isinstance(study, ProbeJob):
        slots = [c.slot for c in view.models[study.models[1]].components]
        conflicts = {slot: derive(*study.models, slot) % 1000 / 1000 for slot in slots}
        return Found(study=study, result=ProbeResult(conflicts=conflicts, num_samples=study.samples))
    quality = derive(*(component for _, component in study.components)) % 1000 / 1000
    return Found(study=study, result=ValidateResult(quality=quality, num_samples=study.config.val_cap))


def assignment(view: SystemView, seed: int = 0) -> Assignment:
    """The next iteration of `TASK`."""
    return Assignment(seed=seed, task=TASK, iteration=view.iterations.get(TASK, 0))


class AgentSuite:
    """The conformance suite of an agent."""

    proposes_best = True
    """Whether of all accepted children it proposes one with the best score."""

    def num_children(self, agent: AbstractAgent[Any], view: SystemView, *, fails: bool = False) -> int:
        """Of an iteration that begins with a view, and in which all children fail or none; override it for
        an agent that may need fewer than it announces."""
        return agent.total_children()

    @pytest.fixture(params=sorted(VIEWS))
    def view(self, request: pytest.FixtureRequest) -> SystemView:
        """A system at the beginning of a task iteration."""
        return VIEWS[str(request.param)]

    def test_it_says_what_it_is(self, agent: AbstractAgent[Any]) -> None:
        assert agent.name == agent.agent_name
        assert agent.summary
        assert "\n" not in agent.summary

    def test_its_fields_are_equipment_and_options(self, agent: AbstractAgent[Any]) -> None:
        value: object = agent
        assert is_dataclass(value)
        assert [field.name for field in fields(value)] == ["equipment", "options"]

    def test_its_options_all_have_defaults(self, agent: AbstractAgent[Any]) -> None:
        assert is_dataclass(agent.options_type)
        assert isinstance(agent.options_type(), agent.options_type)

    def test_asking_is_pure(self, agent: AbstractAgent[Any], view: SystemView) -> None:
        state = agent.init(view, assignment(view))
        assert state == agent.init(view, assignment(view))
        kept, seen = copy.deepcopy(state), copy.deepcopy(view)
        assert agent.ask(state, view) == agent.ask(state, view)
        assert (state, view) == (kept, seen)

    def test_telling_and_judging_are_pure(self, agent: AbstractAgent[Any], view: SystemView) -> None:
        trainer = FakeTrainer(Store.create(MemoryBackend()), TINY)
        state = agent.init(view, assignment(view))
        results = [Completed(job=job, outcome=trainer.train(job)) for job in agent.ask(state, view)]
        kept = copy.deepcopy(state)
        assert agent.tell(state, results, view) == agent.tell(state, results, view)
        assert [agent.judge(state, r, view) for r in results] == [
            agent.judge(state, r, view) for r in results
        ]
        assert state == kept

    def test_what_was_told_is_not_asked_again(self, agent: AbstractAgent[Any], view: SystemView) -> None:
        trainer = FakeTrainer(Store.create(MemoryBackend()), TINY)
        state = agent.init(view, assignment(view))
        asked = agent.ask(state, view)
        for number, job in enumerate(asked[:-1], 1):
            state = agent.tell(state, (Completed(job=job, outcome=trainer.train(job)),), view)
            assert agent.ask(state, view) == asked[number:]

    def test_outcomes_may_be_told_in_any_order(self, agent: AbstractAgent[Any], view: SystemView) -> None:
        forth = carry_out(agent, view)
        back = carry_out(agent, view, order=lambda completed: completed[::-1])
        assert (forth.jobs, forth.states, forth.proposal) == (back.jobs, back.states, back.proposal)

    def test_outcomes_may_be_told_at_once(self, agent: AbstractAgent[Any], view: SystemView) -> None:
        trainer = FakeTrainer(Store.create(MemoryBackend()), TINY)
        start = agent.init(view, assignment(view))
        results = [Completed(job=job, outcome=trainer.train(job)) for job in agent.ask(start, view)]
        state = start
        for result in results:
            state = agent.tell(state, (result,), view)
        assert agent.tell(start, results, view) == state

    def test_a_verdict_does_not_depend_on_what_else_was_told(
        self, agent: AbstractAgent[Any], view: SystemView
    ) -> None:
        trainer = FakeTrainer(Store.create(MemoryBackend()), TINY)
        start = agent.init(view, assignment(view))
        results = [Completed(job=job, outcome=trainer.train(job)) for job in agent.ask(start, view)]
        verdicts = [agent.judge(start, result, view) for result in results]
        told = agent.tell(start, results[:-1], view)
        assert [agent.judge(told, result, view) for result in results] == verdicts

    def test_it_asks_for_as_many_children_as_it_says(
        self, agent: AbstractAgent[Any], view: SystemView
    ) -> None:
        done = carry_out(agent, view)
        assert len(done.jobs) == self.num_children(agent, view) <= agent.total_children()
        assert len({(job.generation, job.child) for job in done.jobs}) == len(done.jobs)
        assert agent.ask(done.states[-1], view) == ()

    def test_every_job_is_one_of_its_task(self, agent: AbstractAgent[Any], view: SystemView) -> None:
        for job in carry_out(agent, view).jobs:
            assert (job.agent, job.task, job.member) == (agent.agent_name, TASK, TINY.member)
            assert (job.iteration, job.num_classes) == (view.iterations.get(TASK, 0), NUM_CLASSES)
            assert 0.0 < job.factor <= 1.0
            assert job.bar >= 0.0
            assert SPACE.defaults().keys() <= job.hparams.keys()
            assert all(job.hparams[choice.name] in choice.values for choice in SPACE)

    def test_every_job_describes_a_model_of_the_family(
        self, agent: AbstractAgent[Any], view: SystemView
    ) -> None:
        for job in carry_out(agent, view).jobs:
            TINY.check([slot for slot, _ in job.slots])
            slots = [TINY.slot(slot, job.hparams, job.num_classes) for slot, _ in job.slots]
            assert job.flops == sum(slot.flops for slot in slots)
            assert isinstance(job.slots[-1][1], Clone | Fresh), "the head is always trained"

    def test_jobs_build_on_what_the_view_or_the_iteration_has(
        self, agent: AbstractAgent[Any], view: SystemView
    ) -> None:
        done = carry_out(agent, view)
        known: dict[ModelId, Model] = dict(view.models)
        known.update({v.model.id: v.model for v in done.verdicts if v.model is not None})
        shapes = {c.id: c for model in known.values() for c in model.components}
        for job in done.jobs:
            assert job.parent in known
            for slot, origin in job.slots:
                if isinstance(origin, Share):
                    size = TINY.slot(slot, job.hparams, job.num_classes).num_params
                    assert shapes[origin.component].num_params == size
                if isinstance(origin, Clone):
                    assert origin.momentum in (None, shapes[origin.component].momentum)

    def test_seeds_differ_from_child_to_child_and_from_experiment_to_experiment(
        self, agent: AbstractAgent[Any], view: SystemView
    ) -> None:
        seeds = [job.seed for seed in (0, 1) for job in carry_out(agent, view, seed=seed).jobs]
        assert len(set(seeds)) == 2 * self.num_children(agent, view)

    def test_an_accepted_child_is_a_model_with_its_history(
        self, agent: AbstractAgent[Any], view: SystemView
    ) -> None:
        done = carry_out(agent, view)
        accepted = [verdict.model for verdict in done.verdicts if verdict.model is not None]
        jobs = {(job.generation, job.child): job for job in done.jobs}
        assert accepted
        for model in accepted:
            job = jobs[model.generation, model.child]
            assert model == identified(model)
            assert (model.task, model.agent, model.parent) == (TASK, agent.agent_name, job.parent)
            assert (model.seed, model.mutations, model.iteration) == (job.seed, job.mutations, job.iteration)
            assert [c.slot for c in model.components] == [slot for slot, _ in job.slots]
            assert model.components[-1].last_task == TASK

    def test_a_child_that_failed_is_rejected_and_the_search_goes_on(
        self, agent: AbstractAgent[Any], view: SystemView
    ) -> None:
        done = carry_out(agent, view, fails=lambda _: True)
        assert len(done.jobs) == self.num_children(agent, view, fails=True)
        assert set(done.verdicts) == {Verdict(score=None, model=None)}
        assert done.proposal.best == view.bests.get(TASK)

    def test_a_child_of_which_nothing_was_kept_is_rejected(
        self, agent: AbstractAgent[Any], view: SystemView
    ) -> None:
        trainer = FakeTrainer(Store.create(MemoryBackend()), TINY)
        state = agent.init(view, assignment(view))
        for job in agent.ask(state, view):
            outcome = trainer.train(replace(job, bar=2.0))
            verdict = agent.judge(state, Completed(job=job, outcome=outcome), view)
            assert verdict.model is None
            assert verdict.score is not None

    def test_it_proposes_an_accepted_child_or_what_the_task_has(
        self, agent: AbstractAgent[Any], view: SystemView
    ) -> None:
        done = carry_out(agent, view)
        accepted = {verdict.model.id: verdict.score for verdict in done.verdicts if verdict.model is not None}
        assert done.proposal.task == TASK
        assert done.proposal.best in {*accepted, view.bests.get(TASK)}
        assert done.proposal.score is not None
        if self.proposes_best:
            assert all(score is not None and score <= done.proposal.score for score in accepted.values())

    def test_models_of_other_tasks_replace_those_they_have(
        self, agent: AbstractAgent[Any], view: SystemView
    ) -> None:
        others = carry_out(agent, view).proposal.others
        assert not others or agent.changes_others
        for model in others:
            assert model == identified(model)
            assert model.task is not None
            assert model.task != TASK
            assert model.parent == view.bests[model.task]
            assert 0.0 < model.quality <= 1.0

    def test_studies_are_pure_and_not_asked_for_again(
        self, agent: AbstractAgent[Any], view: SystemView
    ) -> None:
        for state in carry_out(agent, view).states:
            studies = agent.studies(state, view)
            assert studies == agent.studies(state, view)
            answers = [found(study, view) for study in studies]
            assert agent.studies(agent.learn(state, answers, view), view) == ()
            assert not (studies and agent.ask(state, view)), "studies come first"
