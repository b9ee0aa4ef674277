"""Agents of one experiment, one per task, that are killed, stalled and replaced while they grow a system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.crash.test_kill import write_task
from tests.crash.test_workers import workers_of
from tests.crash.torture_server import KillableServer

NAME = "chaos"
_EXPERIMENT = """
name = "{name}"
seed = 7
schedule = "free"
device = "cpu"
executor = "{executor}"
workers = 1
root.member = "vit-tiny-test"
agent = {{ method = "mu2net_plus", iterations = {iterations}, generations = 1, children = 2 }}
score.scale = 0.9
train = {{ cycles = 1, batch_size = 32, precision = "fp32", threads = 1 }}
"""
_TASK = """[[tasks]]
name = "{task}"
source = "npz:{folder}/{task}.npz"
"""
_ENVIRONMENT, _REFUSED = 3, 4
"""Exit codes: of an agent whose storage is in trouble, and of one that has lost its claim."""
_LONGEST_ABSENCE_S = 1.0
_LONGEST_STALL_S = 6.0
_WITHOUT_SERVER_S = 1.0
_FENCED = "it was started again elsewhere"


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
        for executor in ("inline", "processes"):
            head = _EXPERIMENT.format(name=NAME, executor=executor, iterations=iterations)
            self.path(executor).write_text(head + tasks, encoding="utf-8")

    def path(self, executor: str) -> Path:
        """The file for agents whose jobs run like this."""
        return self.folder / f"{executor}.toml"


@dataclass(slots=True)
class Casualties:
    """What was done to the agents, and what they did.

    Attributes:
        blows: Kills and stalls, by kind.
        fenced: Agents that were refused since another had claimed their task: those that were stalled and
            replaced, and those that had replaced an agent that was stalled before it had a claim.
        gave_up: Agents that ended since the storage did not answer.
        died: What agents said that ended in any other way; none should.
    """

    blows: Counter[str] = field(default_factory=Counter)
    fenced: int = 0
    gave_up: int = 0
    died: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Stalled:
    process: subprocess.Popen[bytes]
    said: Path
    until: float


class Slot:
    """The agent of one task: one process after the other, at times two at once.

    Args:
        store: Where the system is.
        task: That the agent grows.
        experiment: The file.
        folder: For what the processes say.
        cache: Of this machine; also what the processes are recognised by.
        casualties: Where it counts.
    """

    def __init__(
        self, store: str, task: str, experiment: Path, folder: Path, cache: Path, casualties: Casualties
    ) -> None:
        self._command = [
            *(sys.executable, "-m", "taskgrove", "agent", store),
            *("--experiment", str(experiment), "--task", task),
        ]
        self._folder, self._task = folder, task
        self._env = {**os.environ, "TASKGROVE_CACHE": str(cache)}
        self._casualties = casualties
        self._process: subprocess.Popen[bytes] | None = None
        self._said = folder / f"{task}-0.txt"
        self._starts, self._due = 0, 0.0
        self._stalled: list[_Stalled] = []
        self.finished = False

    @property
    def pid(self) -> int | None:
        """Of the newest process; None while there is none."""
        return None if self._process is None else self._process.pid

    @property
    def quiet(self) -> bool:
        """Whether none of its processes is left."""
        return self._process is None and not self._stalled

    def tend(self, now: float, working: Set[int]) -> None:
        """Notice what has ended, wake what has been stalled for long enough, start what is missing.

        Args:
            now: By the monotonic clock (s).
            working: Ids of the agents that have claimed their tasks: only what they replace goes on.
        """
        if self._process is not None and self._process.poll() is not None:
            self._ended(self._process, self._said)
            self.finished = self._process.returncode == 0
            self._process = None
        if self.finished or self.pid in working:
            self._stalled = [one for one in self._stalled if not self._woken(one, now)]
        if self._process is None and not self.finished and now >= self._due:
            self._start()

    def kill(self, random: Random) -> bool:
        """Kill the agent; another takes its place after a while."""
        if self._process is None or self._process.poll() is not None:
            return False
        self._process.kill()
        self._process.wait()
        self._process, self._due = None, time.monotonic() + random.uniform(0, _LONGEST_ABSENCE_S)
        return True

    def kill_worker(self, random: Random) -> bool:
        """Kill the process in which the agent's jobs run."""
        workers = [] if self._process is None else workers_of(self._process.pid)
        if workers:
            os.kill(random.choice(workers), signal.SIGKILL)
        return bool(workers)

    def stall(self, random: Random) -> bool:
        """Stop the agent, until another has taken its place as if it were dead, and a little longer."""
        if self._process is None or self._process.poll() is not None:
            return False
        self._process.send_signal(signal.SIGSTOP)
        until = time.monotonic() + random.uniform(0, _LONGEST_STALL_S)
        self._stalled.append(_Stalled(self._process, self._said, until))
        self._process = None
        return True

    def close(self) -> None:
        """End all its processes."""
        for process in (self._process, *(one.process for one in self._stalled)):
            if process is not None:
                process.kill()
                process.wait()

    def _start(self) -> None:
        self._starts += 1
        self._said = self._folder / f"{self._task}-{self._starts}.txt"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                self._command, env=self._env, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )

    def _woken(self, stalled: _Stalled, now: float) -> bool:
        """Whether a stalled agent has gone on and come to its end."""
        if now < stalled.until:
            return False
        stalled.process.send_signal(signal.SIGCONT)
        if stalled.process.poll() is None:
            return False
        self._ended(stalled.process, stalled.said)
        return True

    def _ended(self, process: subprocess.Popen[bytes], said: Path) -> None:
        """Count how a process has ended that nobody has killed."""
        text = said.read_text(encoding="utf-8")
        if process.returncode == _ENVIRONMENT:
            self._casualties.gave_up += 1
        elif process.returncode == _REFUSED and _FENCED in " ".join(text.split()):
            self._casualties.fenced += 1
        elif process.returncode != 0:
            self._casualties.died.append(f"{process.returncode}: {text}")


BLOWS = {"agent": Slot.kill, "worker": Slot.kill_worker, "stall": Slot.stall}
"""What can be done to an agent; False when it cannot be done to this one now."""


def strike(kind: str, slots: Sequence[Slot], random: Random, casualties: Casualties) -> bool:
    """Do something bad to one of the agents; False when it could be done to none."""
    struck = any(BLOWS[kind](slot, random) for slot in random.sample(slots, len(slots)))
    casualties.blows[kind] += struck
    return struck


def strike_server(server: KillableServer, casualties: Casualties) -> None:
    """Kill the server that all rely on, and start it again a little later."""
    server.kill()
    time.sleep(_WITHOUT_SERVER_S)
    server.restart()
    casualties.blows["server"] += 1


def processes_with(mark: str) -> list[str]:
    """Processes in whose command or environment there is this text, but for those that look for it."""
    said = subprocess.run(["ps", "axeww", "-o", "command="], check=True, capture_output=True, text=True)
    return [line for line in said.stdout.splitlines() if f"TASKGROVE_CACHE={mark}" in line]
