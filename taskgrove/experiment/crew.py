"""How the cores of a machine are shared out among the jobs of an experiment."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from taskgrove.coordinator.base import Resources
from taskgrove.coordinator.executors import EXECUTORS
from taskgrove.domain.errors import BadValueError
from taskgrove.experiment.spec import MEASURED, ExperimentSpec, number_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Jobs that run at the same time on one machine, and CPU threads of each."""

    workers: int
    threads: int


def crew_of(spec: ExperimentSpec, device: torch.device) -> Crew:
    """What `workers = 0` and `train.threads = 0` mean on this machine.

    Workers share the cores equally: two processes of two threads each on two cores take many times as
    long as two of one thread. Threads decide the last bits of results, workers do not.

    Args:
        spec: The experiment; what is still to be measured counts as 0.
        device: Its device on this machine.

    Raises:
        UnknownNameError: There is no such executor.
        BadValueError: The executor runs one job at a time, or the workers want more cores than there are,
            or nothing can be measured since the jobs run on other machines.
    """
    cores, threads, asked = os.cpu_count() or 1, number_of(spec.train.threads), number_of(spec.workers)
    kind = EXECUTORS[spec.executor]
    if kind.elsewhere:
        return _crew_elsewhere(spec, cores)
    if not kind.parallel:
        if asked > 1 or spec.workers == MEASURED:
            raise BadValueError(
                f"workers is {spec.workers} but the executor {spec.executor!r} runs one job at a time; "
                'choose executor = "processes", or leave workers out.'
            )
        return Crew(workers=1, threads=threads or cores)
    workers = asked or num_places(device, cores // (threads or 1))
    crew = Crew(workers=workers, threads=threads or max(1, cores // workers))
    if device.type == "cpu" and crew.workers > 1 and crew.workers * crew.threads > cores:
        raise BadValueError(
            f"{crew.workers} workers with {crew.threads} thread(s) each want more than the {cores} core(s) "
            "of this machine and would slow each other down. Leave out workers, or train.threads, or both: "
            "what is left out fits itself to the machine."
        )
    return crew


def needs_of(spec: ExperimentSpec, device: torch.device, crew: Crew) -> Resources:
    """What a job of the experiment needs where machines are chosen by that; else what the experiment says."""
    needs = spec.resources
    if not EXECUTORS[spec.executor].elsewhere:
        return needs
    return Resources(
        cpus=crew.threads if needs.cpus is None else needs.cpus,
        gpus=float(device.type == "cuda") if needs.gpus is None else needs.gpus,
        custom=needs.custom,
    )


def num_places(device: torch.device, on_cpu: int) -> int:
    """Jobs that a machine has places for: one per GPU, unless the device is a certain one."""
    if device.type == "cuda":
        return torch.cuda.device_count() if str(device) == "cuda" else 1
    return max(1, on_cpu)


def _crew_elsewhere(spec: ExperimentSpec, cores: int) -> Crew:
    """Other machines are taken to be like this one, so that caches fit; cores are what jobs ask for."""
    if MEASURED in (spec.workers, spec.train.threads):
        raise BadValueError(
            f'workers or train.threads is "{MEASURED}", but the executor {spec.executor!r} runs jobs on '
            "other machines, of which this one can say nothing. Set numbers."
        )
    threads = number_of(spec.train.threads) or max(1, int(spec.resources.cpus or 1))
    places = max(1, cores // threads)
    return Crew(workers=min(places, number_of(spec.workers) or places), threads=threads)
