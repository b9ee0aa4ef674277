"""Agents of one experiment that are killed, stalled and replaced while they grow a system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.crash.test_workers import workers_of
from tests.crash.torture_plan import Experiment, Place

_ENVIRONMENT, _REFUSED = 3, 4
"""Exit codes: of an agent whose storage is in trouble, and of one that has lost its claim."""
_LONGEST_ABSENCE_S = 1.0
_LONGEST_STALL_S = 6.0
_FENCED = "it was started again elsewhere"


@dataclass(slots=True)
class Casualties:
    """What was done to the agents, and what they did.

    Attributes:
        blows: Kills and stalls, by kind.
        fenced: Agents that were refused since another had claimed their task: those that were stalled and
            replaced, and those that had replaced an agent that was stalled before it had a claim.
        gave_up: Agents that ended since the storage or the cluster did not answer.
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
    """The agent of some tasks: one process after the other, at times two at once.

    Args:
        store: Where the system is.
        tasks: That the agent grows, all at the same time.
        place: Where its jobs run.
        experiment: That it carries out; what the processes say goes into its folder.
        environment: Of the processes, besides that of this one.
        casualties: Where it counts.
    """

    def __init__(
        self,
        store: str,
        tasks: Sequence[str],
        place: Place,
        experiment: Experiment,
        environment: Mapping[str, str],
        casualties: Casualties,
    ) -> None:
        self._command = [
            *(sys.executable, "-m", "taskgrove", "agent", store),
            *("--experiment", str(experiment.path(place))),
            *(word for task in tasks for word in ("--task", task)),
        ]
        self.blows = {"stall", "coordinator" if len(tasks) > 1 else "agent"}
        """What can be done to it."""
        if place.executor == "processes":
            self.blows.add("worker")
        self._folder, self._name = experiment.folder, "-".join(tasks)
        self._env = {**os.environ, **environment}
        self._casualties = casualties
        self._process: subprocess.Popen[bytes] | None = None
        self._said = self._folder / f"{self._name}-0.txt"
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
        self._said = self._folder / f"{self._name}-{self._starts}.txt"
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


def processes_with(mark: str) -> list[str]:
    """Processes in whose command or environment there is this text, but for those that look for it."""
    said = subprocess.run(["ps", "axeww", "-o", "command="], check=True, capture_output=True, text=True)
    return [line for line in said.stdout.splitlines() if f"TASKGROVE_CACHE={mark}" in line]
