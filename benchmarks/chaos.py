"""Agents, their workers, their Ray cluster and their server are killed at random while they grow a system.

    python -m benchmarks.chaos --minutes 10 --agents 8 --on s3 --ray --out chaos_2cores

All carry out one experiment under the schedule `free`. Most agents grow a task of their own, half of them
with a worker process; the last is a coordinator, which grows two tasks at once with two workers. With `--ray`
the jobs of the coordinator and of two others run on a cluster of three nodes, of which all but the first are
killed and replaced. A killed agent is started again; a stalled one is replaced at once, and later finds that
it has been. Somebody looks on and notes every commit, and what every published model predicts when it is
published.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.measure import machine, parser
from benchmarks.page import Page, Row, save
from tests.crash.torture_chaos import Outcome, chaos
from tests.crash.torture_plan import ChaosPlan
from tests.crash.torture_server import killable

_ITERATIONS_PER_MINUTE = 6


def run(arguments: argparse.Namespace, folder: Path) -> Outcome:
    """The chaos on a local folder or in a bucket."""
    seconds = 60 * arguments.minutes
    plan = ChaosPlan(
        seconds=seconds,
        agents=arguments.agents,
        ray=arguments.ray,
        iterations=max(1, round(_ITERATIONS_PER_MINUTE * arguments.minutes)),
        completes_s=300 + 2 * seconds,
    )
    files = folder / "files"
    files.mkdir()
    if arguments.on == "folder":
        return chaos(str(folder / "store"), files, plan)
    with killable(folder / "server") as server:
        return chaos(server.service.at("store"), files, plan, server)


def done(outcome: Outcome) -> Row:
    """What was done to the agents, and what became of them."""
    blows = outcome.casualties.blows
    return {
        "agents killed": blows["agent"],
        "coordinators killed": blows["coordinator"],
        "workers killed": blows["worker"],
        "Ray actors killed": blows["actor"],
        "Ray nodes killed": blows["node"],
        "agents stalled and replaced": blows["stall"],
        "server killed": blows["server"],
        "agents refused, since replaced": outcome.casualties.fenced,
        "agents that gave up and came again": outcome.casualties.gave_up,
        "agents that ended otherwise": len(outcome.casualties.died),
    }


def left(outcome: Outcome) -> Row:
    """What became of the system."""
    return {
        "commits": outcome.commits,
        "lost or altered": outcome.altered,
        "published models": outcome.publications,
        "with other predictions later": len(outcome.changed),
        "zombie commits": len(outcome.zombies),
        "incomplete tasks": len(outcome.incomplete),
        "dangling or damaged": len(outcome.problems),
        "orphan processes": len(outcome.orphans),
        "seconds": outcome.seconds,
    }


def measure(arguments: argparse.Namespace, folder: Path) -> Page:
    """Let chaos reign."""
    conditions = machine(torch.device("cpu"), 1)
    torch.set_num_threads(1)
    outcome = run(arguments, folder)
    place = "a local folder" if arguments.on == "folder" else "S3 (SeaweedFS on loopback)"
    jobs = "three nodes of Ray on loopback" if arguments.ray else "their processes"
    return Page(
        title=f"{arguments.agents} agents killed at random for {arguments.minutes:g} minutes",
        conditions={**conditions, "store": place, "jobs": jobs},
        tables={"What was done": [done(outcome)], "What became of the system": [left(outcome)]},
        notes=[
            "The coordinator grows two of the tasks at once with two workers; every other task has an agent "
            "of its own. An agent gives up when its storage or its cluster does not answer.",
            "A stalled agent is refused when it goes on, or, when it had not claimed its task yet, takes it "
            "from the one that came after it. Zombie commits: under another claim than the newest at their "
            "place in the log. Predictions are compared bit for bit.",
            *(f"An agent ended: {text}" for text in outcome.casualties.died),
        ],
    )


def main(given: list[str] | None = None) -> None:
    """Read the command line, kill, keep the page."""
    reader = parser(__doc__)
    reader.add_argument("--minutes", type=float, default=10, help="for which agents are killed")
    reader.add_argument("--agents", type=int, default=8, help="one per task")
    reader.add_argument("--on", choices=("folder", "s3"), default="folder", help="where the store is")
    reader.add_argument("--ray", action="store_true", help="with a Ray cluster, which is hit too")
    reader.add_argument("--folder", type=Path, help="where to write; default: the system's temporary folder")
    arguments = reader.parse_args(given)
    if arguments.ray and find_spec("ray") is None:
        reader.error("--ray needs Ray, which is not installed; run: pip install 'taskgrove[ray]'")
    with TemporaryDirectory(prefix="taskgrove-", dir=arguments.folder) as folder:
        page = measure(arguments, Path(folder))
    save(page, arguments.out)


if __name__ == "__main__":
    main()
