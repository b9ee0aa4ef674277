"""What an executor is, what is executed, and what observers hear."""

from __future__ import annotations

import math
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from time import process_time
from types import TracebackType
from typing import Any, ClassVar, ParamSpec, Self, TypeVar

from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.jobs import EvaluateJob, Outcome, ProbeResult, Study, TrainJob, ValidateResult
from taskgrove.domain.records import Evaluation

P = ParamSpec("P")
R = TypeVar("R")
Hear = Callable[[Any], Any]
"""Called with what jobs tell from other processes; see `workers.post`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a call needs of the machine that carries it out.

    Attributes:
        cpus: Cores; None leaves it to the executor.
        gpus: GPUs, a whole number or a part of one; None leaves it to the executor.
        custom: What else, by the name under which a cluster offers it.
    """

    cpus: float | None = None
    gpus: float | None = None
    custom: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        custom = {f"custom.{name}": amount for name, amount in self.custom.items()}
        for name, amount in {"cpus": self.cpus, "gpus": self.gpus, **custom}.items():
            if amount is not None and not 0 <= amount < math.inf:
                raise BadValueError(f"resources.{name} must not be negative or infinite, got {amount}.")
        if self.gpus is not None and self.gpus > 1 and self.gpus % 1:
            raise BadValueError(
                f"resources.gpus is {self.gpus}, but more than one GPU can only be had whole; "
                f"give {math.ceil(self.gpus)}."
            )

    def check_here(self, executor: str) -> None:
        """Refuse what an executor that works on this machine cannot offer.

        Raises:
            BadValueError: More cores than there are, or something of a cluster's own.
        """
        if self.custom:
            raise BadValueError(
                f"The executor {executor!r} has no resource named {next(iter(self.custom))!r}: only a "
                "cluster has resources of its own. Leave out resources.custom, or use the executor 'ray'."
            )
        cores = os.cpu_count() or 1
        if self.cpus is not None and self.cpus > cores:
            raise BadValueError(
                f"resources.cpus is {self.cpus:g}, but the executor {executor!r} works on this machine, "
                f"which has {cores} core(s). Ask for less, or use the executor 'ray'."
            )


UNSAID = Resources()
"""Whatever the executor gives to a call that says nothing."""


class AbstractExecutor(ABC):
    """Runs calls somewhere; a subset of `concurrent.futures.Executor`.

    The calls are idempotent: the store makes a repeated job harmless. As a context it is shut down at
    the end, and abandoned when an error ends the block.
    """

    name: ClassVar[str]
    """Registered name."""
    summary: ClassVar[str]
    """One line for `taskgrove list executors`."""
    parallel: ClassVar[bool] = False
    """Whether several calls run at the same time, in other processes. They are pickled then."""
    elsewhere: ClassVar[bool] = False
    """Whether calls run on other machines, too: then it takes 0 workers for as many as it has room for,
    and what this machine has says nothing of theirs."""
    backlog: int = sys.maxsize
    """Calls that it should have at once, so that nobody in it waits; the others stay with the caller,
    who can still choose among them."""

    @classmethod
    def open(cls, workers: int, hear: Hear, resources: Resources = UNSAID) -> Self:  # noqa: ARG003
        """The executor for a run; the default is for those that run one call at a time in this process.

        Args:
            workers: Calls to run at the same time, at least 1; always 1 unless `parallel`. Also 0 when
                calls run `elsewhere`.
            hear: To be called with what jobs tell. Only the display of progress suffers without it.
            resources: What each call needs; on this machine all that matters is that they can be had.

        Raises:
            BadValueError: The resources cannot be had.
        """
        resources.check_here(cls.name)
        return cls()

    @abstractmethod
    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Schedule a call; an exception it raises comes out of the future."""

    @abstractmethod
    def shutdown(self) -> None:
        """Wait for what was submitted and free what is held."""

    def abandon(self) -> None:
        """Free what is held when nobody wants the results any more; the default waits for them."""
        self.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.shutdown()
        else:
            self.abandon()


def process_meters() -> dict[str, float]:
    """The time that this process has computed, on all cores together."""
    return {"device_s": process_time()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the coordinator may have executed; handed to it since it may not import the trainer.

    Attributes:
        train: Trains a child.
        evaluate: Tests a published model.
        study: Measures what an agent wants to know before it decides.
        meters: Running totals by name, read before and after a job where the job runs; `device_s` are
            the seconds that the device has been busy, by default the CPU time of the process.
    """

    train: Callable[[TrainJob], Outcome]
    evaluate: Callable[[EvaluateJob], Evaluation]
    study: Callable[[Study], ProbeResult | ValidateResult]
    meters: Callable[[], Mapping[str, float]] = process_meters


class Stage(StrEnum):
    """What has just happened."""

    BEGUN = "begun"
    """A task iteration was begun, or taken up again where it was interrupted."""
    CHILD = "child"
    """A child was trained and recorded."""
    ENDED = "ended"
    """A task iteration ended and the task's model was published."""
    EVALUATED = "evaluated"
    """A published model was tested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something an observer may show.

    Attributes:
        stage: What has happened.
        task, iteration: Where.
        generation, child: Of the child just recorded, from 0.
        done, total: Children of the whole run.
        best: Best validation accuracy of the task so far; None before the first.
        score: Best score of an accepted child of the task in this run; None before the first.
        quality: Of this child; None when its training failed.
        accepted: Whether the child was.
        recovered: Whether it was read from the log instead of trained.
        accuracy: Test accuracy, at `EVALUATED`.
        text: What a person should know besides.
    """

    stage: Stage
    task: TaskName
    iteration: int
    done: int
    total: int
    generation: int = 0
    child: int = 0
    best: float | None = None
    score: float | None = None
    quality: float | None = None
    accepted: bool = False
    recovered: bool = False
    accuracy: float | None = None
    text: str = ""


Observe = Callable[[Event], Any]
