"""The part that a process takes in an experiment that others may carry out, too."""

from __future__ import annotations

from dataclasses import dataclass, replace

from taskgrove.coordinator.loop import Run
from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.view import SystemView
from taskgrove.experiment.spec import ExperimentSpec

STANDING_PREFIX = "agent:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What this process does of an experiment.

    Attributes:
        tasks: That it grows; all tasks of the experiment by default.
        claims: Whether it claims them, so that whoever had them before is refused from then on.
    """

    tasks: tuple[str, ...] | None = None
    claims: bool = False


EVERYTHING = Role()


def in_role(run: Run, role: Role, holder: str) -> Run:
    """The run as this process carries it out.

    Args:
        run: Of all tasks.
        role: What this process does of it.
        holder: Who it is, in claims.

    Raises:
        UnknownNameError: The experiment has no such task.
    """
    for name in role.tasks or ():
        if name not in run.start.tasks:
            raise UnknownNameError.of("task", name, run.start.tasks)
    mine = None if role.tasks is None else tuple(TaskName(name) for name in role.tasks)
    return replace(run, mine=mine, holder=holder if role.claims else "")


def standing(spec: ExperimentSpec, identity: str, view: SystemView) -> ExperimentSpec:
    """The experiment of an agent that joins and leaves: the same tasks and settings go on with the same one.

    Args:
        spec: With the iterations that are wanted now.
        identity: Digest of its settings.
        view: Of the system.
    """
    names = [task.name for task in spec.tasks]
    name = (
        f"{STANDING_PREFIX}{names[0][:60]}{'' if len(names) == 1 else f'+{len(names) - 1}'}:{identity[:12]}"
    )
    finished = max(view.progress.get(name, {}).values(), default=0)
    agent = replace(spec.agent, iterations=finished + spec.agent.iterations)
    return replace(spec, name=name, agent=agent)
