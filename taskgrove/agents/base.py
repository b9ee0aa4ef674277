"""What an agent is: pure methods on a frozen state, equipped with what it may not import."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from taskgrove.domain.hparams import Space
from taskgrove.domain.ids import AgentName, TaskName
from taskgrove.domain.jobs import Completed, Found, Study, TrainConfig, TrainJob
from taskgrove.domain.layout import AbstractLayout
from taskgrove.domain.proposal import Proposal
from taskgrove.domain.records import Model
from taskgrove.domain.view import SystemView
from taskgrove.scoring.base import AbstractScore


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What an agent works with; collected for it since it may not import the rooms they come from.

    Attributes:
        layout: Structure of the backbone.
        space: Every hyperparameter of a child, with the values searched.
        score: What the agent maximises.
        train: How children are trained; a method that trains longer says so in its jobs.
        budget: Train cycles of all children of a task iteration together; None leaves the effort to
            the method's own settings.
        code_version: Recorded with every model.
        measures: Names of the measures of dissimilarity that studies may ask for.
    """

    layout: AbstractLayout
    space: Space
    score: AbstractScore
    train: TrainConfig
    budget: int | None = None
    code_version: str = ""
    measures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One task iteration to carry out.

    Attributes:
        seed: Of the experiment.
        task: The active task.
        iteration: Finished iterations of the task so far, over all experiments.
    """

    seed: int
    task: TaskName
    iteration: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an agent makes of a trained child.

    Attributes:
        score: None when training failed.
        model: The model to publish when the child is accepted; otherwise None.
    """

    score: float | None
    model: Model | None


S = TypeVar("S")


class AbstractAgent(ABC, Generic[S]):
    """A search method assigned to one task.

    All methods are pure: the same arguments give the same answer on any machine, and nothing is
    changed but what is returned. The view is the system at the commit at which the iteration began;
    the agent's own accepted children reach it only through `tell`. So the state is a fold of the log:
    an interrupted iteration is continued by telling the recorded outcomes again.

    Implementations are frozen dataclasses whose fields are `equipment` and `options`.
    """

    name: ClassVar[str]
    """Registered name."""
    summary: ClassVar[str]
    """One line for `taskgrove list agents`."""
    options_type: ClassVar[type[Any]]
    """Frozen dataclass of the method's own settings; every field has a default."""
    space: ClassVar[str] = "mu2net_plus"
    """The search space it works in unless the experiment names another."""
    score_form: ClassVar[str] = "mu2net_plus"
    """The form of score it maximises unless the experiment names another."""

    @property
    def agent_name(self) -> AgentName:
        """The name under which children and models are recorded."""
        return AgentName(self.name)

    @property
    def changes_others(self) -> bool:
        """Whether its iterations publish new models of other tasks; then no other may run meanwhile."""
        return False

    @abstractmethod
    def init(self, view: SystemView, assignment: Assignment) -> S:
        """The state at the beginning of a task iteration."""

    def studies(self, state: S, view: SystemView) -> tuple[Study, ...]:
        """What it wants to have measured before it is asked for jobs; by default nothing.

        As with jobs, what has been told is not asked for again.
        """
        return ()

    def learn(self, state: S, found: Sequence[Found], view: SystemView) -> S:
        """The state after all studies that were asked for have ended."""
        return state

    @abstractmethod
    def ask(self, state: S, view: SystemView) -> tuple[TrainJob, ...]:
        """The jobs that are to be done now, in order; not empty unless `finished` or studies are wanted.

        Jobs whose outcome has been told are not asked for again. They may run at the same time
        and be told in any order.
        """

    @abstractmethod
    def judge(self, state: S, completed: Completed, view: SystemView) -> Verdict:
        """Whether a child is accepted. Independent of what else has been told since `ask`."""

    @abstractmethod
    def tell(self, state: S, results: Sequence[Completed], view: SystemView) -> S:
        """The state after some of the asked jobs have ended."""

    @abstractmethod
    def finished(self, state: S) -> bool:
        """Whether the iteration's budget is spent."""

    @abstractmethod
    def total_children(self) -> int:
        """Children per task iteration, for progress displays."""

    @abstractmethod
    def conclude(self, state: S, view: SystemView) -> Proposal:
        """What to publish at the end of the iteration."""
