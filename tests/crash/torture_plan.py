"""What agents are to grow while they are killed, where their jobs run, and how much is done to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.crash.test_kill import write_task

NAME = "chaos"
_EXPERIMENT = """
name = "{name}"
seed = 7
schedule = "free"
device = "cpu"
executor = "{place.executor}"
workers = {place.workers}
root.member = "vit-tiny-test"
agent = {{ method = "mu2net_plus", iterations = {iterations}, generations = 1, children = 2 }}
score.scale = 0.9
train = {{ cycles = 12, batch_size = 32, precision = "fp32", threads = 1 }}
"""
_TASK = """[[tasks]]
name = "{task}"
source = "npz:{folder}/{task}.npz"
"""
_ON_RAY = 2
"""Agents of one task each that use Ray, where it takes part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosPlan:
    """What is done to the agents.

    Attributes:
        seconds: For which agents are killed; then they may complete the experiment.
        agents: One per task.
        together: So many of them are one process, a coordinator, which grows their tasks at the same time.
        ray: Whether the coordinator and others use a Ray cluster, which is hit too.
        every_s: Mean time from one blow to the next.
        server_every_s: The same, of the server.
        cluster_every_s: The same, of the cluster.
        iterations: Of each task, asked for at first, and again whenever all have got there too soon.
        completes_s: How long the experiment may take to complete afterwards.
        seed: Of all draws.
    """

    seconds: float
    agents: int
    together: int = 2
    ray: bool = False
    every_s: float = 2.0
    server_every_s: float = 20.0
    cluster_every_s: float = 8.0
    iterations: int = 6
    completes_s: float = 300.0
    seed: int = 2026


@dataclass(frozen=True, slots=True)
class Place:
    """Where the jobs of a process run: the executor and how many it runs at the same time."""

    executor: str
    workers: int


INLINE = Place("inline", 1)
_PLACES = (
    INLINE,
    *(Place(executor, workers) for executor in ("processes", "ray") for workers in (1, 2)),
)


@dataclass(frozen=True, slots=True)
class Experiment:
    """The experiment that all agents carry out, as files; where jobs run differs from agent to agent.

    Attributes:
        folder: For the files.
        tasks: Whose agents take part.
    """

    folder: Path
    tasks: Sequence[str]

    def write_tasks(self) -> None:
        """Write the data of the tasks."""
        for number, task in enumerate(self.tasks):
            write_task(self.folder / f"{task}.npz", number)

    def ask(self, iterations: int) -> None:
        """Ask for so many iterations of each task."""
        tasks = "".join(_TASK.format(task=task, folder=self.folder) for task in self.tasks)
        for place in _PLACES:
            head = _EXPERIMENT.format(name=NAME, place=place, iterations=iterations)
            self.path(place).write_text(head + tasks, encoding="utf-8")

    def path(self, place: Place) -> Path:
        """The file for agents whose jobs run there."""
        return self.folder / f"{place.executor}-{place.workers}.toml"


def parties(tasks: Sequence[str], plan: ChaosPlan) -> Iterator[tuple[Sequence[str], Place]]:
    """The tasks of each process with where its jobs run; the coordinator comes last."""
    alone = len(tasks) - plan.together
    for number, task in enumerate(tasks[:alone]):
        local = INLINE if number % 2 else Place("processes", 1)
        yield [task], Place("ray", 1) if plan.ray and number >= alone - _ON_RAY else local
    if plan.together:
        yield tasks[alone:], Place("ray" if plan.ray else "processes", 2)
