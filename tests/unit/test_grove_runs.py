"""Growing with the real trainer: an interrupted call goes on when repeated; another one starts anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from taskgrove.agents.base import AbstractAgent, Assignment
from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import EndIteration, FinishChild, Operation
from taskgrove.experiment.build import build_agent, build_run, root_cost
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.scores import FORMS, build_score
from taskgrove.experiment.spec import AgentSpec, BudgetSpec, ExperimentSpec, RootSpec, ScoreSpec, TrainSpec
from taskgrove.scoring.base import Cost
from taskgrove.scoring.decay import DecayScore
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.tasks.sources.arrays import arrays
from taskgrove.testing.layouts import TRAIN
from taskgrove.testing.runs import Interrupted, interrupt_at

ROOT = RootSpec(member="vit-tiny-test")
QUICK = TrainSpec(cycles=1, samples_cap=8, batch_size=8, val_cap=8, precision="fp32", threads=1)
OPTIONS: dict[str, HparamValue] = {"generations": 1, "children": 2}
SPEC = ExperimentSpec(name="study", root=ROOT, agent=AgentSpec(iterations=1, options=OPTIONS), train=QUICK)
A = TaskName("a")


def planted(backend: MemoryBackend) -> Grove:
    """A new system with the tasks a and b, whose images are told apart by their brightness."""
    grove = Grove.create(backend, ROOT)
    for name, brightness in (("a", 200), ("b", 120)):
        labels = np.arange(24) % 2
        images = np.full((24, 8, 8), 10, np.uint8) + (labels * brightness).astype(np.uint8)[:, None, None]
        images[:, 0, 0] = np.arange(24)
        grove.add_task(name, arrays(images, labels))
    return grove


def grow(
    grove: Grove, *, iterations: int = 1, seed: int = 0, observe: Callable[[object], None] = lambda _: None
) -> None:
    grove.grow(iterations=iterations, seed=seed, train=QUICK, options=OPTIONS, device="cpu", observe=observe)


def operations(grove: Grove) -> list[Operation]:
    return [commit.operation for commit in grove.store.history()]


def agent(spec: ExperimentSpec, grove: Grove) -> AbstractAgent[Any]:
    view = grove.view()
    return build_agent(spec, view.models[view.roots[0]].member, TRAIN)


@pytest.fixture
def grove() -> Grove:
    return planted(MemoryBackend())


def test_growing_gives_every_task_a_model_that_is_tested(grove: Grove) -> None:
    grow(grove)
    view = grove.view()
    assert set(view.bests) == {"a", "b"}
    assert set(grove.evaluations()) == set(view.bests.values())
    assert {op.experiment for op in operations(grove) if isinstance(op, EndIteration)} == {"grow-1"}


def test_an_interrupted_call_goes_on_when_it_is_repeated(grove: Grove) -> None:
    other = planted(MemoryBackend())
    with pytest.raises(Interrupted):
        grow(grove, observe=interrupt_at(5))
    grow(grove)
    grow(other)
    ends = [op for op in operations(grove) if isinstance(op, (EndIteration, FinishChild))]
    assert ends == [op for op in operations(other) if isinstance(op, (EndIteration, FinishChild))]
    assert [*grove.view().experiments] == ["grow-1"]


def test_a_call_that_has_ended_adds_as_much_when_it_is_repeated(grove: Grove) -> None:
    grow(grove)
    grow(grove)
    view = grove.view()
    assert view.progress == {"grow-1": {"a": 1, "b": 1}, "grow-2": {"a": 1, "b": 1}}
    assert view.iterations == {"a": 2, "b": 2}


@pytest.mark.parametrize(("seed", "iterations"), [(1, 1), (0, 2)], ids=["seed", "iterations"])
def test_other_arguments_start_anew_after_an_interruption(grove: Grove, seed: int, iterations: int) -> None:
    with pytest.raises(Interrupted):
        grow(grove, observe=interrupt_at(1))
    grow(grove, seed=seed, iterations=iterations)
    view = grove.view()
    assert set(view.progress) == {"grow-2"}
    assert [*view.experiments] == ["grow-1", "grow-2"]


def test_an_experiment_is_continued_by_its_name(grove: Grove) -> None:
    with pytest.raises(Interrupted):
        grove.run(SPEC, observe=interrupt_at(1))
    view = grove.run(SPEC)
    assert view.progress == {"study": {"a": 1, "b": 1}}


@pytest.mark.parametrize(
    "changed",
    [
        replace(SPEC, seed=1),
        replace(SPEC, score=ScoreSpec(scale=0.9)),
        replace(SPEC, train=replace(QUICK, cycles=2)),
        replace(SPEC, agent=replace(SPEC.agent, options={"generations": 2})),
    ],
    ids=["seed", "score", "train", "options"],
)
def test_changed_settings_under_the_same_name_are_refused(grove: Grove, changed: ExperimentSpec) -> None:
    with pytest.raises(Interrupted):
        grove.run(SPEC, observe=interrupt_at(1))
    before = operations(grove)
    with pytest.raises(BadValueError, match="'study' was started in this store with other settings"):
        grove.run(changed)
    assert operations(grove) == before


def test_an_experiment_may_be_continued_on_another_device(grove: Grove) -> None:
    with pytest.raises(Interrupted):
        grove.run(replace(SPEC, device="auto"), observe=interrupt_at(1))
    assert grove.run(replace(SPEC, device="cpu")).progress == {"study": {"a": 1, "b": 1}}


def test_another_root_is_refused(grove: Grove) -> None:
    with pytest.raises(BadValueError, match="grows from another root"):
        grove.run(replace(SPEC, root=replace(ROOT, seed=1)))


def test_the_constants_of_the_score_are_the_roots_size_and_compute(grove: Grove) -> None:
    view = grove.view()
    root = view.models[view.roots[0]]
    assert root_cost(root.member) == Cost(accounted_params=float(root.num_params), flops=root.flops)
    weighed = build_score(ScoreSpec(scale=0.9), "mu2net_plus", root_cost(root.member))
    assert weighed == DecayScore(
        scale=0.9, params_constant=float(root.num_params), flops_constant=float(root.flops)
    )


def test_the_score_is_quality_alone_unless_costs_weigh() -> None:
    heavy = Cost(accounted_params=1e9, flops=10**12)
    for form in FORMS.keys() - {"limit"}:
        assert build_score(ScoreSpec(), form, heavy).score(0.7, heavy) == 0.7


def test_an_agent_is_built_with_its_own_options(grove: Grove) -> None:
    assert agent(SPEC, grove).total_children() == 2
    with pytest.raises(UnknownNameError, match="childern"):
        agent(replace(SPEC, agent=AgentSpec(options={"childern": 4})), grove)
    with pytest.raises(BadValueError, match=r"agent\.generations and agent\.children must be at least 1"):
        agent(replace(SPEC, agent=AgentSpec(options={"children": 0})), grove)
    with pytest.raises(UnknownNameError, match="mu2net_plus"):
        agent(replace(SPEC, agent=AgentSpec(method="annealing")), grove)


def test_the_budget_of_a_task_is_shared_equally_by_its_iterations(grove: Grove) -> None:
    method = AgentSpec(iterations=3, options={"children": 4})
    paid = replace(SPEC, agent=method, budget=BudgetSpec(cycles=3 * 5 * 4 * TRAIN.cycles))
    assert agent(paid, grove).total_children() == 5 * 4
    with pytest.raises(BadValueError, match=r"budget\.cycles = 100 cannot be shared equally by .* = 3"):
        agent(replace(paid, budget=BudgetSpec(cycles=100)), grove)
    with pytest.raises(BadValueError, match="a budget of 20 train cycles and a generation takes 8"):
        agent(replace(paid, budget=BudgetSpec(cycles=60)), grove)


def test_defaults_must_be_known_and_in_the_search_space(grove: Grove) -> None:
    with pytest.raises(UnknownNameError, match=r"opt\.rl"):
        agent(replace(SPEC, defaults={"opt.rl": 0.1}), grove)
    with pytest.raises(BadValueError, match=r"opt\.lr = 0\.3 is not in its search space"):
        agent(replace(SPEC, defaults={"opt.lr": 0.3}), grove)


def test_children_of_a_root_begin_with_the_experiments_defaults(grove: Grove) -> None:
    spec = replace(SPEC, defaults={"opt.lr": 0.1}, agent=AgentSpec(options={"children": 40}))
    who, view = agent(spec, grove), grove.view()
    jobs = who.ask(who.init(view, Assignment(seed=0, task=A, iteration=0)), view)
    assert {job.hparams["opt.lr"] for job in jobs if "hp:opt.lr" not in job.mutations} == {0.1}


def test_there_must_be_a_task_to_grow() -> None:
    grove = Grove.create(MemoryBackend(), ROOT)
    with pytest.raises(BadValueError, match="There is no task to grow"):
        build_run(SPEC, grove.view(), TRAIN)


def test_an_unknown_task_cannot_be_grown(grove: Grove) -> None:
    with pytest.raises(UnknownNameError, match="no task named 'c'"):
        grove.grow(tasks=("c",))
