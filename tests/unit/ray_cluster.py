"""A Ray cluster of several nodes on one machine, out of reach from outside and of other clusters."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any, final

import pytest

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray")
TOKEN = secrets.token_hex(16)
"""Of all clusters that this process makes: Ray reads it once."""


@final
class Nodes:
    """The nodes of a cluster, the first of which leads it and is where the test's process belongs.

    Args:
        cpus: How many each has.
    """

    def __init__(self, cpus: tuple[int, ...]) -> None:
        from ray.cluster_utils import Cluster

        self._cluster: Any = Cluster()
        self._cpus = cpus
        self._raylets = [self._added(number) for number in range(len(cpus))]

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def kill(self, number: int) -> list[int]:
        """End a node other than the first with all that runs on it; gives its actors' ids."""
        raylet = self._raylets[number]
        actors = actors_of(raylet)
        for pid in (*children_of(raylet), raylet):
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, signal.SIGKILL)
        return actors

    def replace(self, number: int) -> None:
        """Add a node in the place of one that has been killed."""
        self._raylets[number] = self._added(number)

    def actors(self) -> list[int]:
        """Ids of the processes that carry out calls, on all nodes."""
        return [pid for raylet in self._raylets for pid in actors_of(raylet)]

    def shutdown(self) -> None:
        self._cluster.shutdown()

    def _added(self, number: int) -> int:
        return raylet_of(self._cluster.add_node(num_cpus=self._cpus[number]))


@contextmanager
def ray_cluster(*cpus: int) -> Iterator[Nodes]:
    """A cluster with a node for each number of cores, in which `ray.init()` takes this process.

    Its nodes listen on the loopback, ask for a token, and share no folder with other clusters.
    """
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory(prefix="tg-ray-") as folder:
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # which means the loopback
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", TOKEN)
        patch.setenv("RAY_TMPDIR", folder)
        import ray

        patch.setattr(ray._private.ray_constants, "ENABLE_RAY_CLUSTER", False)
        nodes = Nodes(cpus)
        patch.setenv("RAY_ADDRESS", nodes.address)
        try:
            yield nodes
        finally:
            ray.shutdown()
            nodes.shutdown()


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Nodes]:
    """A cluster with a core on each of two nodes."""
    with ray_cluster(1, 1) as nodes:
        yield nodes


def raylet_of(node: Any) -> int:
    """Id of the process that is a node."""
    return int(node.all_processes["raylet"][0].process.pid)


def actors_of(raylet: int) -> list[int]:
    """Ids of a node's processes that carry out calls."""
    return [pid for pid, what in children_of(raylet).items() if what.startswith("ray::Guest")]


def children_of(parent: int) -> dict[int, str]:
    """Processes that a process has started and that still live, by id, with what they call themselves."""
    command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(parent)]
    said = subprocess.run(command, check=False, capture_output=True, text=True)
    rows = [line.split(maxsplit=1) for line in said.stdout.splitlines()]
    return {int(pid): what for pid, what in rows}
