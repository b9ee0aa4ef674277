"""Tries crews of workers on this machine, so that the fastest one can be taken."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from taskgrove.coordinator.base import AbstractExecutor
from taskgrove.coordinator.executors import EXECUTORS
from taskgrove.coordinator.workers.post import post
from taskgrove.domain.errors import EnvironmentFailure
from taskgrove.experiment.build import device_of, search_space, training_of
from taskgrove.experiment.crew import Crew, num_places
from taskgrove.experiment.spec import ExperimentSpec
from taskgrove.experiment.tried import Plan, Tried, taken, try_all
from taskgrove.experiment.workplace import own_device
from taskgrove.tasks.progress import tell_progress
from taskgrove.trainer.pace import Pace, Trial, pace_of

SECONDS = 1.0
"""Of each crew that is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured.

    Attributes:
        tried: All crews, in order.
        child_bytes: Of memory that a child needs.
        places: Children that the memory has room for; None where nobody can tell.
    """

    tried: tuple[Tried, ...]
    child_bytes: int
    places: int | None

    @property
    def crew(self) -> Crew:
        """The one to take."""
        return taken(self.tried)

    def sentence(self) -> str:
        """For the log."""
        rates = (f"{t.crew.workers} × {t.crew.threads}: {t.images_per_s:,.0f}" for t in self.tried)
        return (
            f"images/s of workers × threads as measured: {'; '.join(rates)}. A child needs "
            f"{self.child_bytes / 2**20:,.0f} MiB. Taken: {self.crew.workers} × {self.crew.threads}"
        )


def measure(spec: ExperimentSpec, member: str) -> Measured:
    """Try crews on noise, with the experiment's backbone, batch and precision, each for about a second.

    Args:
        spec: What is `measured` in it is tried, what is a number is kept.
        member: The backbone whose layers are all trained.

    Raises:
        BadValueError: Nothing can be measured; see `crew_of`.
        EnvironmentFailure: There is not even memory for one child.
    """
    kind, device = EXECUTORS[spec.executor], device_of(spec)
    plan = Plan(spec=spec, device=device)
    trial = Trial(
        member=member,
        hparams=tuple(search_space(spec, member).defaults().items()),
        config=replace(training_of(spec), threads=plan.least_threads),
        device=str(device),
        seconds=0.0,
    )
    alone = _alone(kind, trial)
    places = _places(alone, device) if kind.parallel else None
    plan = replace(plan, places=places)
    with kind.open(plan.most_workers, _nobody) as executor:
        tried = try_all(plan, _Bench(executor, trial, plan.most_workers).rate)
    return Measured(tried=tried, child_bytes=alone.peak_bytes, places=places)


def _alone(kind: type[AbstractExecutor], trial: Trial) -> Pace:
    """What one child needs."""
    tell_progress("measuring the memory of a child", 0, 1)
    try:
        with kind.open(1, _nobody) as executor:
            return executor.submit(_pace_here, trial).result()
    except RuntimeError as error:
        raise EnvironmentFailure(
            f"A child's step could not be tried: {str(error).splitlines()[0]}. Probably the memory is too "
            "small: set train.micro_batch or train.checkpoint, or numbers instead of measuring."
        ) from error


def _places(alone: Pace, device: torch.device) -> int | None:
    """Children that the free memory has room for."""
    if alone.free_bytes is None:
        return None
    room = alone.free_bytes + alone.peak_bytes
    gpus = num_places(device, 1) if device.type == "cuda" else 1
    return gpus * max(1, room // max(1, alone.peak_bytes))


class _Bench:
    """Times crews on one executor, whose workers it first wakes up.

    Args:
        executor: With as many places as the largest crew has workers.
        trial: Of each worker.
        workers: Of the largest crew.
    """

    def __init__(self, executor: AbstractExecutor, trial: Trial, workers: int) -> None:
        self._executor = executor
        self._trial = trial
        self._together(workers, trial)

    def rate(self, crew: Crew) -> float:
        """Images/s of all workers of a crew together; 0 when there is not enough memory."""
        tell_progress(f"measuring workers × threads: {crew.workers} × {crew.threads}", 0, 1)
        config = replace(self._trial.config, threads=crew.threads)
        try:
            paces = self._together(crew.workers, replace(self._trial, config=config, seconds=SECONDS))
        except RuntimeError:
            return 0.0
        return sum(pace.images_per_s for pace in paces)

    def _together(self, workers: int, trial: Trial) -> list[Pace]:
        futures = [self._executor.submit(_pace_here, trial) for _ in range(workers)]
        return [future.result() for future in futures]


def _pace_here(trial: Trial) -> Pace:
    """Try steps on the device of the worker that this runs in."""
    place = post()
    device = own_device(trial.device, 0 if place is None else place.number)
    return pace_of(replace(trial, device=str(device)))


def _nobody(_: object) -> None:
    """Nobody listens."""
