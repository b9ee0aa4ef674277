"""Many agents at once beside one program, on real data (002, §3, Figure 2).

    TASKGROVE_DATA=/path/to/npz/files python -m benchmarks.agents --out agents_2cores

The same tasks, search and budget, for every seed: in sequence; in rounds with one worker process; in rounds
with several. Tells what the schedules are worth after each task-set iteration, what workers gain, and how
busy they are. Children's seconds are kept for `benchmarks.simulate_agents`.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from time import perf_counter

import torch

import taskgrove
from benchmarks.agents_course import Case, Course, course_of
from benchmarks.agents_picture import draw
from benchmarks.measure import machine, parser
from benchmarks.page import Page, Row, save
from benchmarks.recorded import TABLE, seconds_by_task
from taskgrove.experiment.segments import read_segments
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec

RECIPE = Path(__file__).parents[1] / "recipes" / "char8_rounds.toml"
PAPER = (
    "002 reports that rounds are well behind after the first task-set iteration, and within noise of the "
    "sequence after a few; and active duty cycles of 99.2 %."
)
Courses = Mapping[Case, Sequence[Course]]


def cases_of(workers: int) -> tuple[Case, ...]:
    """What is compared."""
    counts = sorted({1, workers})
    return (Case("sequential", 1), *(Case("rounds", count) for count in counts))


def carried_out(spec: ExperimentSpec, case: Case, seed: int, folder: Path) -> Course:
    """One run from an empty store, or one that was carried out there before; half a run is begun anew."""
    own = replace(spec, seed=seed, schedule=case.schedule, executor="processes", workers=case.workers)
    store = folder / f"{case.schedule}_{case.workers}_seed{seed}"
    noted = store.with_name(f"{store.name}.json")
    if noted.exists():
        return course_of(taskgrove.open(store, writable=False), own.name, json.loads(noted.read_text()))
    shutil.rmtree(store, ignore_errors=True)
    start = perf_counter()
    grove = taskgrove.run((own,), store)
    whole_s = perf_counter() - start
    noted.write_text(json.dumps(whole_s))
    return course_of(grove, own.name, whole_s)


def accuracy_rows(courses: Courses) -> Iterator[Row]:
    """A row per task-set iteration."""
    one, many = (
        next(c for case, c in courses.items() if case.schedule == s) for s in ("sequential", "rounds")
    )
    for i in range(len(one[0].accuracies)):
        left, right = ([100 * course.accuracies[i] for course in found] for found in (one, many))
        yield {
            "task-set iteration": float(i + 1),
            "sequential, test %": fmean(left),
            "rounds, test %": fmean(right),
            "gap, points": fmean(left) - fmean(right),
            "sequential by seed": ", ".join(f"{value:.1f}" for value in left),
            "rounds by seed": ", ".join(f"{value:.1f}" for value in right),
        }


def time_rows(courses: Courses) -> Iterator[Row]:
    """A row per case; speed-ups are those of the means over rounds with one worker."""
    alone = courses[Case("rounds", 1)]
    for case, found in courses.items():
        shares = [100 * worker.share for course in found for worker in course.workers]
        yield {
            "schedule": case.schedule,
            "workers": float(case.workers),
            "growing, s": fmean(course.growing_s for course in found),
            "speed-up": fmean(c.growing_s for c in alone) / fmean(c.growing_s for c in found),
            "whole run, s": fmean(course.whole_s for course in found),
            "speed-up of the whole": fmean(c.whole_s for c in alone) / fmean(c.whole_s for c in found),
            "duty cycle, %": fmean(shares),
            "lowest of a worker, %": min(shares),
        }


def same_systems(courses: Courses) -> str:
    """Whether rounds give the same system whatever the number of workers."""
    several = [found for case, found in courses.items() if case.schedule == "rounds"]
    same = all(len({course.models for course in runs}) == 1 for runs in zip(*several, strict=True))
    return "the same, byte for byte" if same else "DIFFERENT"


def measure(arguments: argparse.Namespace, folder: Path) -> Page:
    """All cases in turns, seed by seed; the picture goes beside the page."""
    conditions = machine(torch.device("cpu"), 1)
    (spec,) = read_segments(arguments.recipe)
    if arguments.iterations:
        options, method = spec.agent.options, spec.agent.method
        agent = AgentSpec(method=method, iterations=arguments.iterations, options=options)
        spec = replace(spec, agent=agent)
    courses: dict[Case, list[Course]] = {case: [] for case in cases_of(arguments.workers)}
    for seed in map(int, arguments.seeds.split(",")):
        for case, found in courses.items():
            found.append(carried_out(spec, case, seed, folder))
    page = Page(
        title=f"Many agents at once: {spec.name}",
        conditions={
            **conditions,
            "recipe": f"{arguments.recipe.name}, {spec.agent.iterations} task iterations",
            "seeds": arguments.seeds,
            "systems of rounds with different numbers of workers": same_systems(courses),
        },
        tables={
            "Test accuracy": [*accuracy_rows(courses)],
            "Time": [*time_rows(courses)],
            TABLE: seconds_by_task(courses[Case("rounds", 1)]),
        },
        notes=[
            "Test accuracies are means over all tasks. A run grows from the beginning of its first task "
            "iteration to its last commit; the whole run also reads all data and starts the processes. A "
            "worker's duty cycle is the share of time in which it trains or tests, from its first job to the "
            "last of all.",
            PAPER,
        ],
    )
    save(page, arguments.out, draw(courses))
    return page


def main(given: list[str] | None = None) -> None:
    """Read the command line, measure, keep the page."""
    reader = parser(__doc__)
    reader.add_argument("--recipe", type=Path, default=RECIPE)
    reader.add_argument("--seeds", default="0", help="with commas")
    reader.add_argument("--workers", type=int, default=2, help="processes of the last case")
    reader.add_argument("--iterations", type=int, default=0, help="task iterations; 0: the recipe's")
    reader.add_argument(
        "--stores", type=Path, help="where to keep them; finished runs are not repeated; default: nowhere"
    )
    arguments = reader.parse_args(given)
    with TemporaryDirectory(prefix="taskgrove-") as folder:
        measure(arguments, arguments.stores or Path(folder))


if __name__ == "__main__":
    main()
