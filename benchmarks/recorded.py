"""Seconds of real children, by task, as `benchmarks.agents` keeps them and simulations draw from them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import exp, log, sqrt
from pathlib import Path
from statistics import fmean, pvariance

from benchmarks.agents_course import Course
from benchmarks.page import Row
from benchmarks.simulated_agents import Durations
from taskgrove.domain.ids import TaskName

TABLE = "Seconds of children"
CHAR8 = Durations(log_means=(-0.45, -0.43, -0.43, 0.11, -0.19, -0.08, -0.42, 0.02), log_sd=0.38, test_s=0.45)
"""Of 64 children of `char8_rounds`, eight of each task, on one core."""
CHAR8_CAP, PAPER_CAP = 768, 51_200
"""Images of a train cycle at most: of these children, and in the paper."""


def seconds_by_task(courses: Sequence[Course]) -> list[Row]:
    """A row per task: a lognormal's parameters, and the mean of the tests of all tasks."""
    logs: dict[TaskName, list[float]] = defaultdict(list)
    for course in courses:
        for task, seconds in course.train_s.items():
            logs[task] += [log(found) for found in seconds]
    test_s = fmean(seconds for course in courses for seconds in course.test_s)
    return [*_rows(logs, test_s)]


def _rows(logs: dict[TaskName, list[float]], test_s: float) -> Iterator[Row]:
    for task, found in logs.items():
        yield {
            "task": task,
            "children": float(len(found)),
            "geometric mean, s": exp(fmean(found)),
            "log mean": fmean(found),
            "log sd": sqrt(pvariance(found)),
            "test, s": test_s,
        }


def durations_from(path: Path) -> Durations:
    """What a page of `benchmarks.agents` says."""
    rows = json.loads(path.read_text(encoding="utf-8"))["tables"][TABLE]
    return Durations(
        log_means=tuple(row["log mean"] for row in rows),
        log_sd=sqrt(fmean(row["log sd"] ** 2 for row in rows)),
        test_s=rows[0]["test, s"],
    )
