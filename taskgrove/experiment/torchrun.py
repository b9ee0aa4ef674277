"""What torchrun tells each of the processes that it starts; loads no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass

_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """A process's place among those that were started together.

    Attributes:
        number: From 0, which leads.
        local: From 0, on its machine: the number of its GPU.
        size: Number of processes, on all machines.
    """

    number: int = 0
    local: int = 0
    size: int = 1


def rank_of_process() -> Rank:
    """This process's place; alone when it was not started by torchrun, or is the only one."""
    found = {name: os.environ.get(name, "") for name in _VARIABLES}
    if not all(found.values()) or found["WORLD_SIZE"] == "1":
        return Rank()
    return Rank(number=int(found["RANK"]), local=int(found["LOCAL_RANK"]), size=int(found["WORLD_SIZE"]))
