"""One trial of a search: a grow sequence carried out on a branch of the store."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec

from taskgrove.coordinator.base import Event, Work
from taskgrove.coordinator.workers.post import post
from taskgrove.domain.errors import StoreCorruptError
from taskgrove.domain.ids import TaskName
from taskgrove.experiment.build import device_of
from taskgrove.experiment.copies import fork_store
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.search.memory import Memory
from taskgrove.experiment.search.results import result_of
from taskgrove.experiment.search.sequences import Point, experiment_at
from taskgrove.experiment.spec import ExperimentSpec
from taskgrove.experiment.workplace import own_device
from taskgrove.reports.analyses.searched import TrialResult
from taskgrove.reports.pages.files import write_files
from taskgrove.store.fork import open_place

TRIALS, MEMORY = "trials", "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all trials of a search have in common.

    Attributes:
        template: The experiment that they vary.
        store: What they branch off.
        at: The commit of it.
        folder: Of the search.
        max_params: Distinct parameters that a solution may have; 0 for any number.
        sharing: Whether jobs that another trial has done are not done again.
    """

    template: ExperimentSpec
    store: str
    at: int
    folder: str
    max_params: int
    sharing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """What a trial is; travels to where it is carried out.

    Attributes:
        number: Of the trial.
        point: What was searched.
        ground: Of the search.
    """

    number: int
    point: Point
    ground: Ground

    @property
    def store(self) -> Path:
        """Where its system lies."""
        return store_of(Path(self.ground.folder), self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far a trial is.

    Attributes:
        number: Of the trial.
        done, total: Children.
        text: Of the newest event.
    """

    number: int
    done: int
    total: int
    text: str


Tell = Callable[[Step], object]


def store_of(folder: Path, number: int) -> Path:
    """Where a trial's system lies; its result lies beside it."""
    return folder / TRIALS / f"{number:04d}"


def recorded(folder: Path, number: int) -> TrialResult | None:
    """What a trial gave; None while it is unfinished.

    Raises:
        StoreCorruptError: Its file is not one of ours.
    """
    path = store_of(folder, number).with_suffix(".json")
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=TrialResult)
    except msgspec.DecodeError as error:
        raise StoreCorruptError(
            f"{path} is not the result of a trial ({error}). Delete it; the same command sums the trial up "
            "again."
        ) from error


def run_trial(plan: TrialPlan, tell: Tell | None = None) -> TrialResult:
    """Carry out or continue a trial and write its result; one that has ended is read.

    Args:
        plan: What to do.
        tell: Told of every event; by default who listens to the executor is.

    Raises:
        TaskgroveError: See `Grove.run`.
    """
    ground = plan.ground
    known = recorded(Path(ground.folder), plan.number)
    if known is not None:
        return known
    began = time.perf_counter()
    fork_store(ground.store, plan.store, at=ground.at)
    grove = Grove.open(open_place(str(plan.store)))
    experiment = _placed(experiment_at(ground.template, plan.point, plan.number))
    wrap = partial(_remembering, plan, grove, device_of(experiment).type) if ground.sharing else _as_it_is
    grove.run(experiment, partial(_tell, tell or _listener(), plan.number), wrap=wrap)
    result = result_of(
        grove.store,
        [TaskName(task.name) for task in experiment.tasks],
        number=plan.number,
        point=plan.point,
        at=ground.at,
        max_params=ground.max_params,
        seconds=time.perf_counter() - began,
    )
    write_files(plan.store.parent, {f"{plan.store.name}.json": msgspec.json.encode(result)})
    return result


def _placed(experiment: ExperimentSpec) -> ExperimentSpec:
    """On this worker's own GPU, where there are several of both."""
    place = post()
    if place is None:
        return experiment
    return replace(experiment, device=str(own_device(str(device_of(experiment)), place.number)))


def _remembering(plan: TrialPlan, grove: Grove, device: str, work: Work) -> Work:
    return Memory(Path(plan.ground.folder) / MEMORY, device, plan.store, grove.store, work).as_work()


def _as_it_is(work: Work) -> Work:
    return work


def _listener() -> Tell:
    place = post()
    return (lambda _: None) if place is None else place.tell


def _tell(tell: Tell, number: int, event: Event) -> None:
    tell(Step(number=number, done=event.done, total=event.total, text=f"{event.task}: {event.stage}"))
