"""One experiment carried out by several processes that torchrun has started together.

The first process runs the experiment and writes; the others compute their shares of its children.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from taskgrove.coordinator.base import Work
from taskgrove.domain.errors import BadValueError, EnvironmentFailure
from taskgrove.domain.jobs import JobFailed, Outcome, TrainJob
from taskgrove.experiment.build import build_device
from taskgrove.experiment.job_messages import decode, encode
from taskgrove.experiment.places import open_store
from taskgrove.experiment.spec import ExperimentSpec, number_of
from taskgrove.experiment.torchrun import Rank, rank_of_process
from taskgrove.experiment.workplace import Workplace
from taskgrove.trainer.distributed import ALONE, Team, TeamLostError, TeammateFailedError

Train = Callable[[TrainJob], Outcome]
_END = b""
_SCALED = ("device_s", "peak_flops")
"""Meters of one device, of which a team has as many as processes."""


@contextmanager
def teamed(specs: Sequence[ExperimentSpec], rank: Rank | None = None) -> Iterator[Team]:
    """The processes that carry out experiments together, from now to the end of the block.

    Args:
        specs: What will be carried out.
        rank: Of this process; by default what torchrun says.

    Raises:
        BadValueError: An experiment cannot be carried out by several processes.
        EnvironmentFailure: The other processes do not come, or are lost later.
    """
    rank = rank or rank_of_process()
    if rank.size == 1:
        yield ALONE
        return
    for spec in specs:
        _check(spec, rank)
    cuda = build_device(specs[0].device).type == "cuda"
    if cuda:
        torch.cuda.set_device(rank.local)
    with _reported(rank):
        team = Team.join(rank.number, rank.size, cuda=cuda)
        yield team
        # After an error nobody waits for anybody: a process that ends is noticed by the others.
        if team.leads:
            team.tell(_END)
        team.leave()


def lead(team: Team, work: Work) -> Work:
    """Work of which the other processes of a team have their shares; alone, the work itself."""

    def train(job: TrainJob) -> Outcome:
        team.tell(encode(job))
        return together(team, work.train, job)

    def meters() -> Mapping[str, float]:
        read = work.meters()
        return {name: value * (team.size if name in _SCALED else 1) for name, value in read.items()}

    return work if team.size == 1 else replace(work, train=train, meters=meters)


def follow(team: Team, train: Train) -> None:
    """Compute this process's shares of what the leading process trains, until that ends."""
    while message := team.hear():
        together(team, train, decode(message))


def part_of(team: Team, path: str | Path, device: str) -> Train:
    """What a following process does for a system; its store need not be there before the first job."""

    @cache
    def place() -> Workplace:
        return Workplace(open_store(path), build_device(device), team=team)

    return lambda job: place().train(job)


def together(team: Team, train: Train, job: TrainJob) -> Outcome:
    """Train a child with all processes of a team, each of which calls this; they agree on what failed.

    Args:
        team: Of at least two processes.
        train: This process's part.
        job: The same everywhere.

    Raises:
        EnvironmentFailure: Another process has met an error that is not the child's.
    """
    try:
        outcome = train(job)
        if isinstance(outcome, JobFailed) and outcome.kind != "diverged":  # which all have seen
            team.fail(outcome.kind, outcome.text)
        else:
            team.finish()
    except TeammateFailedError as failed:
        return _failure_of(failed, job)
    except TeamLostError:
        raise
    except Exception as error:
        team.fail("stopped", repr(error))
        raise
    return outcome


def refuse_strangers(team: Team) -> None:
    """Refuse to run an experiment in several processes that know nothing of each other.

    Raises:
        BadValueError: torchrun started this process with others, and they are no team.
    """
    size = rank_of_process().size
    if team.size == 1 and size > 1:
        raise BadValueError(
            f"torchrun started {size} processes, but only `taskgrove run` and `taskgrove.run` share their "
            "work out among processes. Start this without torchrun."
        )


def _failure_of(failed: TeammateFailedError, job: TrainJob) -> JobFailed:
    # When the leading process stops it says why itself, and its end is that of the others.
    if failed.kind in ("out_of_memory", "error") or failed.rank == 0:
        return JobFailed(kind=failed.kind, text=f"Process {failed.rank}: {failed.text}", seed=job.seed)
    raise EnvironmentFailure(
        f"Process {failed.rank} stopped: {failed.text}. Without it the run cannot go on; once the cause is "
        "removed, the same command continues it."
    )


@contextmanager
def _reported(rank: Rank) -> Iterator[None]:
    try:
        yield
    except TeamLostError as error:
        raise EnvironmentFailure(
            f"Process {rank.number} of {rank.size} has lost the others ({error}). Probably one was killed, "
            "or stopped with an error that it has told itself. The same command continues the run."
        ) from error


def _check(spec: ExperimentSpec, rank: Rank) -> None:
    started = f"torchrun started {rank.size} processes"
    if spec.executor != "inline":
        raise BadValueError(
            f"{started} to train one child at a time, but executor is {spec.executor!r}, which trains "
            "several. Leave executor out, or start without torchrun."
        )
    if spec.train.engine != "fast":
        raise BadValueError(f"{started}, but only train.engine = fast shares a batch out; leave it out.")
    device = build_device(spec.device)
    if device.type == "cuda" and device.index is not None:
        raise BadValueError(
            f"{started}, each with its own GPU, but device is {spec.device!r}; choose cuda, or auto."
        )
    if device.type == "cuda" and rank.local >= torch.cuda.device_count():
        raise BadValueError(
            f"{started}, more than this machine's {torch.cuda.device_count()} GPU(s); start one for each."
        )
    if device.type == "cpu" and not number_of(spec.train.threads):
        raise BadValueError(
            f"{started}, but train.threads = {spec.train.threads} would give all cores to each of them. Set "
            "train.threads to a number."
        )
