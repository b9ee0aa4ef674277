"""What the index answers: plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from taskgrove.domain.ids import AgentName, ComponentId, ModelId, TaskName


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The published model of a task.

    Attributes:
        task, model: Which.
        since: Number of the commit that published it.
        quality: Validation accuracy in [0, 1].
        score: By the agent's scoring when an iteration last ended with it; None where no score was given.
        test_accuracy: In [0, 1]; None when it was not measured.
    """

    task: TaskName
    model: ModelId
    since: int
    quality: float
    score: float | None
    test_accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A model that holds a component.

    Attributes:
        model: Which.
        task: Its task; None for a root.
        introduced: Number of the commit that brought the model.
        live: Whether it is live at the commit asked for.
        best: Whether it is its task's published model there.
    """

    model: ModelId
    task: TaskName | None
    introduced: int
    live: bool
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """An ancestor or a descendant.

    Attributes:
        model: Which.
        task: Its task; None for a root.
        introduced: Number of the commit that brought it.
        distance: Generations between; 1 for a parent or a child.
    """

    model: ModelId
    task: TaskName | None
    introduced: int
    distance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """A task iteration that ended, or a model that was published within one.

    Attributes:
        number: Of the commit.
        experiment, agent, iteration: Whose it was.
        model: The task's model from then on; None while it has none.
        score: By the agent's scoring, if it gave one.
        quality: The model's validation accuracy in [0, 1].
        test_accuracy: The model's, in [0, 1]; None when it was not measured.
    """

    number: int
    experiment: str
    agent: AgentName
    iteration: int
    model: ModelId | None
    score: float | None
    quality: float | None
    test_accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributor:
    """Who brought a component into the system.

    Attributes:
        component: Which.
        agent, task: None for a root's.
        model: The first that used it.
        number: Of the commit.
    """

    component: ComponentId
    agent: AgentName | None
    task: TaskName | None
    model: ModelId
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A note: number of its commit, the task it is about (None for the system), and its text."""

    number: int
    task: TaskName | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TagName:
    """A tag: number of its commit, its name, and the number of the commit that it names."""

    number: int
    name: str
    target: int


Kind = Literal["model", "component", "blob"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Something that an id names.

    Attributes:
        kind: A model, a component, or another blob: momentum, or the data of a task.
        id: In full.
        introduced: Number of the commit that brought it.
    """

    kind: Kind
    id: str
    introduced: int
