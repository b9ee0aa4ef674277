"""Short messages between the processes of a team, without pickle."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist


def gather(numbers: Sequence[int], size: int) -> list[list[int]]:
    """Everybody's numbers, by rank; all give as many.

    Args:
        numbers: Of this process.
        size: Number of processes.
    """
    own = torch.tensor(numbers)
    rows = [torch.empty_like(own) for _ in range(size)]
    dist.all_gather(rows, own)
    return [row.tolist() for row in rows]


def broadcast(message: bytes | None, source: int, group: dist.ProcessGroup | None = None) -> bytes:
    """What one process says to all.

    Args:
        message: Of the process that says it; None in all others.
        source: Its rank.
        group: Whose members hear it; None for everybody.
    """
    size = torch.tensor([0 if message is None else len(message)])
    dist.broadcast(size, source, group)
    data = torch.empty(int(size), dtype=torch.uint8)
    if message:
        data = torch.frombuffer(bytearray(message), dtype=torch.uint8)
    if len(data):
        dist.broadcast(data, source, group)
    return bytes(data.tolist())
