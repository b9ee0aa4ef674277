"""Many agents beyond this machine's cores, in simulated time (002, §3): what they gain, and what limits them.

    python -m benchmarks.simulate_agents --out simulated_agents [--recorded agents_2cores.json]

Every agent is a program of its own, as `taskgrove agent` is: the real coordinator, search and store, which
meet in one log. Children are not trained but last as long as real ones have; requests to the storage last as
long as they do on this machine's disk, or as they usually do across a network. All seeds are fixed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.measure import machine, parser
from benchmarks.page import Page, Row, save
from benchmarks.recorded import CHAR8, CHAR8_CAP, PAPER_CAP, durations_from
from benchmarks.simulated_agents import Course, Durations, Setting, simulate
from benchmarks.simulated_costs import local_storage, object_storage
from benchmarks.simulated_picture import draw
from benchmarks.simulated_store import BLOBS, COMMIT, EVALUATE, READ, TRAIN, Storage
from taskgrove.coordinator.schedule import Schedule

PAPER = {8: 6.64, 10: 7.66}
"""Speed-ups of 002, §3, by number of agents."""
SCHEDULES = (Schedule.ROUNDS, Schedule.FREE)
SHAPES = ((10, (3, 4, 8)), (100, (2, 1, 4)), (sys.maxsize, (1, 1, 4)))
"""Iterations, generations and children up to a number of agents; iterations of 4 × 8 are the paper's."""
MOST_ALONE = 100
"""Tasks of the simulation of one agent; with more, what it does besides training grows in proportion."""
_LIMITS = {READ: "reading the log", COMMIT: "committing", BLOBS: "writing components"}


def settings(agents: int, storage: Storage, durations: Durations) -> Iterator[Setting]:
    """What is simulated with so many agents; the more there are, the less each of them does."""
    iterations, generations, children = next(shape for most, shape in SHAPES if agents <= most)
    for schedule in SCHEDULES:
        yield Setting(
            tasks=agents,
            alone=False,
            schedule=schedule,
            iterations=iterations,
            generations=generations,
            children=children,
            storage=storage,
            durations=durations,
            arrivals_per_s=5.0 if agents > MOST_ALONE else max(10.0, agents / durations.typical_s),
        )


def one_agent_s(setting: Setting) -> float:
    """What one agent takes for all tasks, one after the other."""
    few = min(setting.tasks, MOST_ALONE)
    course = simulate(replace(setting, alone=True, tasks=few))
    besides = course.seconds - course.spent[TRAIN] - course.spent[EVALUATE]
    return besides * setting.tasks / few + sum(map(sum, work_s(setting)))


def work_s(setting: Setting) -> list[list[float]]:
    """Seconds of training and of the test after it, by iteration and task."""
    test_s = setting.durations.scale * setting.durations.test_s
    return [
        [setting.train_s(task, iteration) + test_s for task in range(setting.tasks)]
        for iteration in range(setting.iterations)
    ]


def bound(setting: Setting) -> float:
    """The speed-up that unequal tasks alone would leave: the last agent decides, in rounds in each round."""
    seconds = work_s(setting)
    if setting.schedule is Schedule.ROUNDS:
        longest = sum(map(max, seconds))
    else:
        longest = max(map(sum, zip(*seconds, strict=True)))
    return sum(map(sum, seconds)) / longest


def limit(setting: Setting, course: Course, speed_up: float) -> str:
    """What costs most: that tasks are unequal, or else what agents do most besides training and testing."""
    most = bound(setting)
    if most / setting.tasks <= speed_up / most:
        return "unequal tasks"
    return _LIMITS[max(_LIMITS, key=lambda what: course.spent[what])]


def row(setting: Setting, course: Course, alone_s: float) -> Row:
    """Of the table."""
    speed_up = alone_s / course.seconds
    at_work_s = course.spent[TRAIN] + course.spent[EVALUATE]
    return {
        "agents": float(setting.tasks),
        "a child, s": setting.durations.typical_s,
        "storage": setting.storage.name,
        "schedule": str(setting.schedule),
        "speed-up": speed_up,
        "of agents, %": 100 * speed_up / setting.tasks,
        "if only tasks were unequal": bound(setting),
        "training or testing, %": 100 * at_work_s / course.spent.total(),
        "commits/s": course.commits / course.whole_s,
        "lost tries per commit": course.lost / course.commits,
        "refresh, s per iteration": course.spent[READ] / setting.tasks / setting.iterations,
        "gave up and began again": float(course.restarts),
        "limited most by": limit(setting, course, speed_up),
    }


def rows(arguments: argparse.Namespace, storages: tuple[Storage, ...], recorded: Durations) -> Iterator[Row]:
    """All cases; of more than a hundred agents only those with the paper's budget."""
    as_paper = replace(recorded, scale=PAPER_CAP / CHAR8_CAP)
    for durations in (recorded, as_paper):
        for agents in arguments.agents:
            if agents > MOST_ALONE and durations is recorded:
                continue
            for storage in storages:
                cases = [*settings(agents, storage, durations)]
                alone_s = one_agent_s(cases[0])
                for setting in cases:
                    yield row(setting, simulate(setting), alone_s)


def measure(arguments: argparse.Namespace) -> tuple[Page, list[Row]]:
    """Measure the disk, simulate, describe."""
    recorded = durations_from(arguments.recorded) if arguments.recorded else CHAR8
    with TemporaryDirectory(prefix="taskgrove-", dir=arguments.folder) as folder:
        local = local_storage(Path(folder), arguments.records)
    storages = (local, object_storage(local))
    found = [*rows(arguments, storages, recorded)]
    paper: list[Row] = [
        {"agents": float(agents), "schedule": "rounds", "speed-up": gain, "of agents, %": 100 * gain / agents}
        for agents, gain in PAPER.items()
    ]
    page = Page(
        title="Many agents in simulated time",
        conditions={
            **machine(torch.device("cpu"), 1),
            "children": f"of {arguments.recorded or 'eight tasks of char8'}, drawn anew; tasks take turns",
            **{f"{storage.name}, ms": storage.said for storage in storages},
        },
        tables={"Agents, each with a task of its own": found, "The paper (002)": paper},
        notes=[
            "Speed-up: seconds that one agent takes for all tasks in sequence, over those of the agent that "
            "takes longest. Up to 100 agents begin within the time of a child, more of them five per second; "
            "they claim their tasks. As recorded, a child sees "
            f"4 × {CHAR8_CAP} images; with the paper's 4 × {PAPER_CAP:,} it lasts "
            f"{PAPER_CAP / CHAR8_CAP:.0f} times as long. An agent gives up after 100 lost tries to commit, "
            "and is then started again. "
            + " ".join(
                f"Up to {most} agents: {i} iterations of {g} generations of {c} children."
                for most, (i, g, c) in SHAPES[:-1]
            )
            + " More agents: {} of {} of {}.".format(*SHAPES[-1][1])
        ],
    )
    return page, found


def main(given: list[str] | None = None) -> None:
    """Read the command line, simulate, keep the page."""
    reader = parser(__doc__)
    reader.add_argument("--agents", type=int, nargs="+", default=[8, 10, 100, 1000])
    reader.add_argument("--recorded", type=Path, help="a page of benchmarks.agents, as JSON")
    reader.add_argument("--records", type=int, default=300, help="committed to measure the disk")
    reader.add_argument("--folder", type=Path, help="on the disk in question; default: the temporary one")
    arguments = reader.parse_args(given)
    page, found = measure(arguments)
    save(page, arguments.out, draw(found, PAPER))


if __name__ == "__main__":
    main()
