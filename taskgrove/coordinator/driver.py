"""Keeps an executor busy with the jobs of many tasks, each of which waits for its own only."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any, final

from taskgrove.coordinator.base import AbstractExecutor, Work
from taskgrove.coordinator.metered import Readings, metered
from taskgrove.domain.ids import TaskName
from taskgrove.domain.jobs import (
    EvaluateJob,
    Outcome,
    ProbeResult,
    Share,
    Study,
    TrainJob,
    ValidateResult,
)
from taskgrove.domain.records import Evaluation

Job = TrainJob | EvaluateJob | Study
_LOOK_AGAIN_S = 0.2
"""How soon courses that wait for other processes are asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A job that has ended."""

    job: Job
    result: Outcome | Evaluation | ProbeResult | ValidateResult
    meters: Readings


class Parked:
    """What a course yields that can only go on when others have come further."""


Course = Generator[tuple[Job, ...] | Parked, Done | None, None]
"""What is done for a task: yields jobs that may run now, is sent one ended job of its own at a time."""


@dataclass(slots=True)
class _Lane:
    """A task's course with its jobs.

    Attributes:
        course: To go on with.
        waiting: Jobs not yet submitted.
        seconds, ended: Of its jobs so far, to judge how long it will take.
    """

    course: Course
    waiting: deque[Job] = field(default_factory=deque)
    seconds: float = 0.0
    ended: int = 0


@final
class Driver:
    """Goes along courses until all have ended.

    Of the jobs that may run, one of the task that has the most work left comes first, so that the last
    tasks of a round end together; of a task's children, where several run at once, the one that takes most.

    Args:
        executor: Where jobs run.
        work: What they do.
        jobs_left: How many jobs a task will probably need.
        look_again: Called before courses that wait for others are asked again.
    """

    def __init__(
        self,
        executor: AbstractExecutor,
        work: Work,
        jobs_left: Callable[[TaskName], int],
        look_again: Callable[[], Any],
    ) -> None:
        self._executor = executor
        self._work = work
        self._jobs_left = jobs_left
        self._look_again = look_again
        self._lanes: dict[TaskName, _Lane] = {}
        self._running: dict[Future[tuple[Any, Readings]], tuple[TaskName, Job]] = {}
        self._parked: list[TaskName] = []

    def drive(self, courses: Mapping[TaskName, Course]) -> None:
        """Go along all courses; what a job raises ends the drive."""
        self._lanes = {task: _Lane(course) for task, course in courses.items()}
        for task in courses:
            self._advance(task, None)
        while self._lanes:
            self._fill()
            if self._running:
                self._take(wait(self._running, return_when=FIRST_COMPLETED).done)
            elif self._parked:
                time.sleep(_LOOK_AGAIN_S)
                self._look_again()
            self._ask_parked()

    def _take(self, futures: Iterable[Future[tuple[Any, Readings]]]) -> None:
        for future in futures:
            task, job = self._running.pop(future)
            result, meters = future.result()
            lane = self._lanes[task]
            lane.seconds, lane.ended = lane.seconds + _wall_s(meters), lane.ended + 1
            self._advance(task, Done(job=job, result=result, meters=meters))
            self._ask_parked()
            self._fill()

    def _fill(self) -> None:
        """Submit what may run; where calls run at once, each is recorded before the next is submitted."""
        while len(self._running) < self._executor.backlog and not any(f.done() for f in self._running):
            ready = [task for task, lane in self._lanes.items() if lane.waiting]
            if not ready:
                return
            task = max(ready, key=self._urgency)
            job = self._lanes[task].waiting.popleft()
            self._running[self._submitted(job)] = (task, job)

    def _submitted(self, job: Job) -> Future[tuple[Any, Readings]]:
        if isinstance(job, TrainJob):
            return self._executor.submit(metered, "train", self._work.meters, self._work.train, job)
        if isinstance(job, EvaluateJob):
            return self._executor.submit(metered, "evaluate", self._work.meters, self._work.evaluate, job)
        return self._executor.submit(metered, "study", self._work.meters, self._work.study, job)

    def _urgency(self, task: TaskName) -> float:
        """Seconds of work left; jobs of a task without experience are taken to last as long as the mean."""
        lane = self._lanes[task]
        ended = sum(other.ended for other in self._lanes.values())
        mean = sum(other.seconds for other in self._lanes.values()) / ended if ended else 1.0
        return self._jobs_left(task) * (lane.seconds / lane.ended if lane.ended else mean)

    def _ask_parked(self) -> None:
        parked, self._parked = self._parked, []
        for task in parked:
            self._advance(task, None)

    def _advance(self, task: TaskName, done: Done | None) -> None:
        lane = self._lanes[task]
        try:
            step = next(lane.course) if done is None else lane.course.send(done)
        except StopIteration:
            del self._lanes[task]
            return
        if isinstance(step, Parked):
            self._parked.append(task)
        else:
            jobs = sorted(step, key=effort, reverse=True) if self._executor.parallel else step
            lane.waiting.extendleft(reversed(jobs))  # what must be done again comes first


def effort(job: Job) -> float:
    """About how much work a job is beside others of its course: longest first, all workers end together."""
    if not isinstance(job, TrainJob):
        return 0.0
    trained = [not isinstance(origin, Share) for _, origin in job.slots]
    frozen = trained.index(True) if True in trained else len(trained)
    return job.flops * (len(trained) - frozen) / len(trained)  # what lies below is remembered


def _wall_s(meters: Readings) -> float:
    return sum(meters.get(f"{phase}_s", 0.0) for phase in ("train", "evaluate", "study"))
