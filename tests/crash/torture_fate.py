"""Fate: what is done to agents, to their cluster and to their server, to whom and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from itertools import cycle
from random import Random

from tests.crash.torture_agents import Casualties, Slot
from tests.crash.torture_cluster import CLUSTER_BLOWS, KillableCluster
from tests.crash.torture_plan import ChaosPlan
from tests.crash.torture_server import KillableServer

_UNAIMED = 0.01
"""Chance, at every look, that an agent that still starts may be hit, too."""
_WITHOUT_SERVER_S = 1.0
_AGAIN_S = 1.0
"""After which a blow to the cluster is tried again that hit nothing."""
_BLOWS: Mapping[str, Callable[[Slot, Random], bool]] = {
    "agent": Slot.kill,
    "coordinator": Slot.kill,
    "worker": Slot.kill_worker,
    "stall": Slot.stall,
}
"""How each blow is dealt; False when it cannot be now."""


class Fate:
    """When the next blows fall, and on whom.

    Args:
        plan: How often.
        slots: Of all agents.
        casualties: Where it counts.
        server: To be hit too; None where there is none.
        cluster: The same.
    """

    def __init__(
        self,
        plan: ChaosPlan,
        slots: Sequence[Slot],
        casualties: Casualties,
        server: KillableServer | None,
        cluster: KillableCluster | None,
    ) -> None:
        self._plan, self._slots, self._casualties = plan, slots, casualties
        self._server, self._cluster = server, cluster
        self._random = Random(plan.seed)
        self._kinds, self._cluster_kinds = _dealt(list(_BLOWS), self._random), cycle(CLUSTER_BLOWS)
        self._kind, self._cluster_kind = next(self._kinds), next(self._cluster_kinds)
        now = time.monotonic()
        self._next, self._next_cluster = now + plan.every_s, now + plan.cluster_every_s
        self._next_server = now + plan.server_every_s / 2

    def strike(self, working: Set[int]) -> None:
        """Do what is due.

        Args:
            working: Ids of the agents that do not start any more.
        """
        now = time.monotonic()
        if now >= self._next:
            self._strike_agent(now, working)
        if self._server is not None and now >= self._next_server:
            self._strike_server(self._server)
            self._next_server = now + self._pause(self._plan.server_every_s)
        if self._cluster is not None and now >= self._next_cluster:
            self._strike_cluster(self._cluster, now)

    def _strike_agent(self, now: float, working: Set[int]) -> None:
        draw, blow = self._random.random, _BLOWS[self._kind]
        fit = [slot for slot in self._slots if self._kind in slot.blows and not slot.finished]
        # Starting takes agents most of their time here, so most blows spare those that still do.
        aimed = [slot for slot in fit if slot.pid in working or draw() < _UNAIMED]
        struck = any(blow(slot, self._random) for slot in self._random.sample(aimed, len(aimed)))
        self._casualties.blows[self._kind] += struck
        if struck:
            self._next = now + 2 * draw() * self._plan.every_s
        if struck or not fit:
            self._kind = next(self._kinds)

    def _strike_server(self, server: KillableServer) -> None:
        """Kill the server that all rely on, and start it again a little later."""
        server.kill()
        time.sleep(_WITHOUT_SERVER_S)
        server.restart()
        self._casualties.blows["server"] += 1

    def _strike_cluster(self, cluster: KillableCluster, now: float) -> None:
        if cluster.strike(self._cluster_kind):
            self._casualties.blows[self._cluster_kind] += 1
            self._cluster_kind = next(self._cluster_kinds)
            self._next_cluster = now + self._pause(self._plan.cluster_every_s)
        else:
            self._next_cluster = now + _AGAIN_S

    def _pause(self, mean_s: float) -> float:
        return (0.5 + self._random.random()) * mean_s


def _dealt(kinds: Sequence[str], random: Random) -> Iterator[str]:
    """All kinds in random order, again and again, so that none is long in coming."""
    while True:
        yield from random.sample(kinds, len(kinds))
