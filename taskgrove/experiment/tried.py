"""Crews that are tried to find the fastest one, and which of them is taken."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from taskgrove.experiment.crew import Crew, crew_of, num_places
from taskgrove.experiment.spec import MEASURED, ExperimentSpec, number_of

NEAR = 0.03
"""Of crews that are slower than the fastest by no more than this part, the smallest is taken."""
MOST_PER_GPU = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A crew, and what all its workers together trained.

    Attributes:
        crew: Workers and threads of each.
        images_per_s: In steps of all layers; 0 when the memory was too small.
    """

    crew: Crew
    images_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which crews are to be tried.

    Attributes:
        spec: What is `measured` in it is tried, what is a number is kept.
        device: Of the jobs.
        places: Children that the memory has room for; None where nobody can tell.
    """

    spec: ExperimentSpec
    device: torch.device
    places: int | None = None

    @property
    def most_workers(self) -> int:
        """Of all crews."""
        crews = (*self.crews_by_threads(), *self.crews_by_workers(self.least_threads))
        return max(crew.workers for crew in crews)

    @property
    def least_threads(self) -> int:
        """Of all crews."""
        return number_of(self.spec.train.threads) or 1

    def crews_by_threads(self) -> tuple[Crew, ...]:
        """1, 2, 4, … threads and the most, with the workers that fit beside each other."""
        if self.spec.train.threads != MEASURED:
            return (self._crew(self.least_threads),)
        workers = number_of(self.spec.workers) or (
            num_places(self.device, 1) if self.device.type == "cuda" else 1
        )
        return tuple(self._crew(threads) for threads in up_to(max(1, _cores() // workers)))

    def crews_by_workers(self, threads: int) -> tuple[Crew, ...]:
        """1, 2, 4, … workers and the most, if their number is to be measured."""
        if self.spec.workers != MEASURED:
            return ()
        if self.device.type == "cuda":
            most = MOST_PER_GPU * num_places(self.device, 1)
        else:
            most = max(1, _cores() // threads)
        return tuple(Crew(workers=workers, threads=threads) for workers in up_to(self._fitting(most)))

    def _crew(self, threads: int) -> Crew:
        train = replace(self.spec.train, threads=threads)
        crew = crew_of(replace(self.spec, train=train, workers=number_of(self.spec.workers)), self.device)
        return replace(crew, workers=self._fitting(crew.workers))

    def _fitting(self, workers: int) -> int:
        return workers if self.places is None else min(workers, self.places)


def try_all(plan: Plan, rate: Callable[[Crew], float]) -> tuple[Tried, ...]:
    """Try crews with all numbers of threads, then with all numbers of workers of the best one's threads.

    Args:
        plan: Which.
        rate: Tries one; images/s.
    """
    tried = [Tried(crew=crew, images_per_s=rate(crew)) for crew in plan.crews_by_threads()]
    known = {each.crew for each in tried}
    left = [crew for crew in plan.crews_by_workers(taken(tried).threads) if crew not in known]
    return (*tried, *(Tried(crew=crew, images_per_s=rate(crew)) for crew in left))


def taken(tried: Sequence[Tried]) -> Crew:
    """The smallest crew among the fastest."""
    fastest = max(each.images_per_s for each in tried)
    near = [each.crew for each in tried if each.images_per_s >= (1 - NEAR) * fastest]
    return min(near, key=lambda crew: (crew.workers * crew.threads, crew.threads))


def up_to(most: int) -> tuple[int, ...]:
    """1, 2, 4, … and the most."""
    doubled = (1 << i for i in range(most.bit_length()))
    return tuple(sorted({*(count for count in doubled if count < most), most}))


def _cores() -> int:
    return os.cpu_count() or 1
