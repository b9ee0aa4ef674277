"""A system at one commit, as an agent or a reader may see it; test numbers are not in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.ids import ComponentId, ModelId, TaskName
from taskgrove.domain.records import Model, StartExperiment, TaskSpec


@dataclass(frozen=True, kw_only=True)
class SystemView:
    """The live state at one commit, indexed.

    Attributes:
        number: Of the commit; -1 for an empty log.
        tasks: In order of arrival.
        models: Every live model: roots, best models and the active populations.
        roots: Ids of the root models.
        bests: The published model of each task that has one.
        populations: Accepted children of task iterations that have not ended.
        selections: How often a live model has been the parent of a child for a task, ever.
        iterations: Finished task iterations per task, over all experiments.
        progress: Finished task iterations per experiment and task.
        experiments: Started experiments by name, each with its newest specification.
    """

    number: int = -1
    tasks: Mapping[TaskName, TaskSpec] = field(default_factory=dict)
    models: Mapping[ModelId, Model] = field(default_factory=dict)
    roots: tuple[ModelId, ...] = ()
    bests: Mapping[TaskName, ModelId] = field(default_factory=dict)
    populations: Mapping[TaskName, tuple[ModelId, ...]] = field(default_factory=dict)
    selections: Mapping[TaskName, Mapping[ModelId, int]] = field(default_factory=dict)
    iterations: Mapping[TaskName, int] = field(default_factory=dict)
    progress: Mapping[str, Mapping[TaskName, int]] = field(default_factory=dict)
    experiments: Mapping[str, StartExperiment] = field(default_factory=dict)

    def task(self, name: TaskName) -> TaskSpec:
        """The task called `name`; raises UnknownNameError."""
        if name not in self.tasks:
            raise UnknownNameError.of("task", name, self.tasks)
        return self.tasks[name]

    def best(self, task: TaskName) -> Model | None:
        """The task's published model, or None before its first iteration has ended."""
        return self.models[self.bests[task]] if task in self.bests else None

    def published(self) -> tuple[Model, ...]:
        """Root models, then the best model of each task in order of arrival."""
        best = (self.models[self.bests[t]] for t in self.tasks if t in self.bests)
        return (*(self.models[r] for r in self.roots), *best)

    def users_of(self, component: ComponentId) -> frozenset[TaskName]:
        """Tasks whose published model uses the component; roots are not tasks."""
        return self._users.get(component, frozenset())

    def roots_of(self, component: ComponentId) -> int:
        """Number of root models that use the component."""
        return self._root_uses.get(component, 0)

    def ancestry(self, model: Model) -> Iterator[Model]:
        """The model's live ancestors, nearest first; retired ones end the walk."""
        while model.parent is not None and model.parent in self.models:
            model = self.models[model.parent]
            yield model

    @cached_property
    def _users(self) -> dict[ComponentId, frozenset[TaskName]]:
        users: dict[ComponentId, set[TaskName]] = {}
        for task, model in self.bests.items():
            for component in self.models[model].components:
                users.setdefault(component.id, set()).add(task)
        return {component: frozenset(tasks) for component, tasks in users.items()}

    @cached_property
    def _root_uses(self) -> dict[ComponentId, int]:
        uses: dict[ComponentId, int] = {}
        for root in self.roots:
            for component in {c.id for c in self.models[root].components}:
                uses[component] = uses.get(component, 0) + 1
        return uses
