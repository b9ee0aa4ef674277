"""A search over grow sequences as records: what each trial gave, and which are worth choosing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from taskgrove.reports.quantities import MISSING, duration, human, percent

HEADINGS = ("trial", "gain %", "Δ", "parameters", "δ", "sequence", "time", "jobs", "remembered")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskGain:
    """What a grow sequence made of a task.

    Attributes:
        task: Which; they stand in the order in which they were learned.
        delta: Its δ; None when it could bind to nothing.
        bound: The task that it was bound to, if any.
        grown: Layers that it got copies of.
        quality: Validation accuracy of its net in the system, at the end.
        independent: That of its independent net.
        num_samples: Validation images that both were measured on.
    """

    task: str
    delta: float | None
    bound: str | None
    grown: tuple[str, ...]
    quality: float
    independent: float
    num_samples: int

    @property
    def gain(self) -> float:
        """(E_φ - E_π) / E_φ; an E_φ of less than half an image counts as half an image in the divisor."""
        least = 0.5 / max(self.num_samples, 1)
        return (self.quality - self.independent) / max(1.0 - self.independent, least)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What a grow sequence gave.

    Attributes:
        number: Of the trial.
        point: What was searched, by name.
        tasks: In the order in which they were learned.
        gain: Multi-task gain, positive when better than independent nets.
        paper_delta: The paper's Δ, which adds up and has the other sign.
        params: Distinct parameters of all tasks' models, the root not counted.
        feasible: Whether that is no more than the search allows.
        seconds: That it took, since it was begun or last taken up again.
        computed, remembered: Jobs that it did, and jobs whose results were known.
    """

    number: int
    point: Mapping[str, float]
    tasks: tuple[TaskGain, ...]
    gain: float
    paper_delta: float
    params: int
    feasible: bool
    seconds: float
    computed: int
    remembered: int

    @property
    def delta(self) -> float | None:
        """Mean over tasks that have one."""
        known = [task.delta for task in self.tasks if task.delta is not None]
        return fmean(known) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A search so far.

    Attributes:
        title: Of the page.
        about: How it searches, in a line.
        trials: That have ended, by number.
        wanted: How many there are to be.
    """

    title: str
    about: str
    trials: tuple[TrialResult, ...]
    wanted: int

    @property
    def front(self) -> tuple[TrialResult, ...]:
        """Feasible trials that no other surpasses, by parameters; of equals the first."""
        front: list[TrialResult] = []
        for trial in sorted(self.trials, key=lambda t: (t.params, -t.gain, t.number)):
            if trial.feasible and (not front or trial.gain > front[-1].gain):
                front.append(trial)
        return tuple(front)


def cells(trial: TrialResult) -> tuple[str, ...]:
    """A trial as people read it, under `HEADINGS`."""
    return (
        str(trial.number) if trial.feasible else f"{trial.number} (too large)",
        percent(trial.gain),
        f"{trial.paper_delta:.3f}",
        human(trial.params),
        MISSING if trial.delta is None else f"{trial.delta:.2f}",
        sequence(trial),
        duration(trial.seconds),
        str(trial.computed),
        str(trial.remembered),
    )


def sequence(trial: TrialResult) -> str:
    """The grow sequence: each task, what it was bound to, and how many layers it grew."""
    bound = (f" → {task.bound} +{len(task.grown)}" if task.bound else "" for task in trial.tasks)
    return ", ".join(f"{task.task}{text}" for task, text in zip(trial.tasks, bound, strict=True))
