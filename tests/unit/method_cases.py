"""The methods as experiments build them, on the tiny backbone, and the turns in which they decide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from random import Random

from taskgrove.agents.base import Assignment
from taskgrove.agents.generations import AbstractGenerational, GenerationState, Turn
from taskgrove.agents.population import Member, others_of
from taskgrove.domain.hparams import Hparams, HparamValue
from taskgrove.domain.ids import ModelId, SlotName, TaskName
from taskgrove.domain.jobs import Completed, Origin, TrainConfig, TrainJob
from taskgrove.domain.records import Model
from taskgrove.domain.view import SystemView
from taskgrove.experiment.build import build_agent
from taskgrove.experiment.spaces import SPACES
from taskgrove.experiment.spec import AgentSpec, BudgetSpec, ExperimentSpec, ScoreSpec, SpaceSpec
from taskgrove.mutations.mu import Sampled
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.testing.layouts import TINY, TRAIN, offspring, tiny_root
from taskgrove.trainer.fake import FakeTrainer

A, B, C = TaskName("a"), TaskName("b"), TaskName("c")
ROOT = tiny_root()


def agent_of(
    method: str,
    options: Mapping[str, HparamValue] | None = None,
    *,
    searched: Iterable[str] | None = None,
    score: ScoreSpec | None = None,
    budget: int | None = None,
    train: TrainConfig = TRAIN,
) -> AbstractGenerational:
    """A method with the search space and the score that are its own.

    Args:
        method: Registered name.
        options: Of the method.
        searched: The only hyperparameters that can move; None for all of the space.
        score: Of the experiment.
        budget: Train cycles of the one task iteration.
        train: How children are trained.
    """
    space = SPACES[method].of(TINY.member)
    kept = {c.name for c in space} if searched is None else {*searched}
    fixed = {choice.name: (choice.default,) for choice in space if choice.name not in kept}
    spec = ExperimentSpec(
        name="test",
        agent=AgentSpec(method=method, iterations=1, options=options or {}),
        score=score or ScoreSpec(),
        space=SpaceSpec(values=fixed),
        budget=BudgetSpec(cycles=budget),
    )
    agent = build_agent(spec, TINY.member, train)
    assert isinstance(agent, AbstractGenerational)
    return agent


def trained(
    agent: AbstractGenerational,
    task: str,
    *,
    parent: Model = ROOT,
    own: Iterable[str] = ("norm", "head"),
    hparams: Hparams | None = None,
    mu: Mapping[str, float] | None = None,
    quality: float = 0.5,
    child: int = 0,
) -> Model:
    """A model of `task` with the default hyperparameters of the agent's space, but for `hparams`."""
    values = {**agent.equipment.space.defaults(), **(hparams or {})}
    return offspring(parent, task, own=own, hparams=values, mu=mu, quality=quality, child=child)


def begin(agent: AbstractGenerational, view: SystemView, *, seed: int = 0) -> GenerationState:
    """The state at the beginning of task a's next iteration."""
    return agent.init(view, Assignment(seed=seed, task=A, iteration=view.iterations.get(A, 0)))


def turn_of(
    state: GenerationState,
    view: SystemView,
    rng: Random,
    *,
    number: int = 100,
    selections: Mapping[ModelId, int] | None = None,
) -> Turn:
    """A child's turn; by default one after any seed phase."""
    return Turn(
        state=state,
        view=view,
        number=number,
        others=others_of(A, view, TINY.member),
        selections=state.selections if selections is None else selections,
        rng=rng,
    )


def breeder(
    agent: AbstractGenerational, view: SystemView, parent: Model, *, number: int = 100
) -> Callable[[Random], Sampled]:
    """From random numbers to a child of `parent`."""
    state = begin(agent, view)
    return lambda rng: agent.child(turn_of(state, view, rng, number=number), parent)


def members(*scored: tuple[Model, float]) -> tuple[Member, ...]:
    return tuple(Member(model=model, score=score) for model, score in scored)


def half_lives(
    candidates: Sequence[Model], everyone: Sequence[Model], selections: Mapping[ModelId, int]
) -> dict[ModelId, Fraction]:
    """The probability of every parent, when candidates are visited in order and then everyone alike.

    001, Eq. 1, and 000, Algorithm 1, lines 8 to 16, by hand; only what is possible is in it.
    """
    chances = dict.fromkeys((model.id for model in everyone), Fraction(0))
    left = Fraction(1)
    for model in candidates:
        taken = left * Fraction(1, 2 ** selections.get(model.id, 0))
        chances[model.id] += taken
        left -= taken
    return {model: c + left / len(everyone) for model, c in chances.items() if c + left}


def train(job: TrainJob) -> Completed:
    """The job's outcome by the fake trainer, whatever its bar."""
    trainer = FakeTrainer(Store.create(MemoryBackend()), TINY)
    return Completed(job=job, outcome=trainer.train(replace(job, bar=0.0)))


def iterate(agent: AbstractGenerational, view: SystemView, *, seed: int = 0) -> list[TrainJob]:
    """All jobs of task a's next iteration."""
    state, jobs = begin(agent, view, seed=seed), list[TrainJob]()
    while not agent.finished(state):
        asked = agent.ask(state, view)
        state = agent.tell(state, [train(job) for job in asked], view)
        jobs += asked
    return jobs


def origin(job: TrainJob, slot: str) -> Origin:
    return dict(job.slots)[SlotName(slot)]
