"""A Ray cluster in a process of its own, which kills its actors and nodes when it is told to.

The process is `python -m tests.crash.torture_cluster SEED`. It says how to join, as JSON on a line; then it
reads which blow to deal, a line each, and says whether it could. It ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from random import Random
from typing import TextIO

from tests.unit.ray_cluster import Nodes, ray_cluster

CLUSTER_BLOWS = ("node", "actor", "actor", "actor")
"""What is done to a cluster, in turns."""
_CPUS = (2, 2, 2)
"""Of the nodes: room for all actors without any one node, and for some of agents that are stalled."""
_ENDS_WITHIN_S = 60.0


class KillableCluster:
    """The cluster as those see it who use it.

    Args:
        process: In which it is, with a session of its own.
        log: What it says otherwise.
    """

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log
        self.environment: Mapping[str, str] = json.loads(self._answer())
        """Of processes that join it."""

    def strike(self, kind: str) -> bool:
        """Kill an actor, or a node, which another then replaces; False when there is none."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kind}\n")
        self._process.stdin.flush()
        return bool(json.loads(self._answer()))

    def processes(self) -> list[str]:
        """All that live of its session: Ray's processes hide their environment."""
        command = ["ps", "-ww", "-o", "stat=,args=", "-s", str(self._process.pid)]
        said = subprocess.run(command, check=False, capture_output=True, text=True)
        return [line for line in said.stdout.splitlines() if not line.startswith("Z")]

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the cluster has ended: {self._log.read_text(encoding='utf-8')}"
        return line


@contextmanager
def killable_cluster(folder: Path, cache: Path, seed: int) -> Iterator[KillableCluster]:
    """A cluster of three nodes; it is shut down at the end.

    Args:
        folder: For what it says.
        cache: Of this machine.
        seed: Of its draws.
    """
    path = folder / "cluster.txt"
    with (
        path.open("w", encoding="utf-8") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.crash.torture_cluster", str(seed)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "TASKGROVE_CACHE": str(cache)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield KillableCluster(process, path)
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Have it shut down, which it must do by itself: what it leaves behind is found as an orphan."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def main(seed: int) -> None:
    """Be the cluster until standard input ends."""
    answers = sys.stdout
    with redirect_stdout(sys.stderr), ray_cluster(*_CPUS) as nodes:
        _say(answers, {name: value for name, value in os.environ.items() if name.startswith("RAY_")})
        random = Random(seed)
        for line in sys.stdin:
            if line.strip() == "actor":
                _say(answers, _kill_actor(nodes, random))
            else:
                number = random.randrange(1, len(_CPUS))
                nodes.kill(number)
                _say(answers, True)
                nodes.replace(number)


def _say(answers: TextIO, what: object) -> None:
    print(json.dumps(what), file=answers, flush=True)


def _kill_actor(nodes: Nodes, random: Random) -> bool:
    actors = nodes.actors()
    with suppress(ProcessLookupError):  # it has ended meanwhile
        if actors:
            os.kill(random.choice(actors), signal.SIGKILL)
            return True
    return False


if __name__ == "__main__":
    main(int(sys.argv[1]))
