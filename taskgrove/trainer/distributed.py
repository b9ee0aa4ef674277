"""The processes that train one child together: each has its share of every batch.

They meet before anything that needs all of them, so that a process that cannot do its part says so and
nobody waits for it in vain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import final

import torch
import torch.distributed as dist
from torch import Tensor

from taskgrove.trainer.meeting import broadcast, gather

TIMEOUT_S = 1800.0
"""How long a process waits for the others while they work on the same child."""
_PATIENCE = timedelta(days=365)
"""How long it waits for the next child; a process that ends is noticed at once."""


class TeamLostError(Exception):
    """The other processes do not answer: at least one of them has ended, or hangs."""


class TeammateFailedError(Exception):
    """Another process could not do its part of the work.

    Args:
        rank: Of the first such process.
        kind, text: What it said.
    """

    def __init__(self, rank: int, kind: str, text: str) -> None:
        super().__init__(f"process {rank}: {text}")
        self.rank = rank
        self.kind = kind
        self.text = text


@final
class Team:
    """All processes of a team call the same methods in the same order; alone, they cost nothing.

    Methods that wait for the others raise `TeamLostError` when they do not come, and `add` and `totals`
    raise `TeammateFailedError` when one of them has met its end of the work by `fail`.

    Args:
        rank: Of this process, from 0, which leads.
        size: Number of processes.
        idle: For messages that may come at any time; None when alone.
    """

    def __init__(self, rank: int = 0, size: int = 1, idle: dist.ProcessGroup | None = None) -> None:
        self.rank = rank
        self.size = size
        self._idle = idle

    @classmethod
    def join(cls, rank: int, size: int, *, cuda: bool, timeout_s: float = TIMEOUT_S) -> Team:
        """Find the other processes at the place that the environment names, as torchrun sets it.

        Args:
            rank, size: See `Team`.
            cuda: Whether gradients are on GPUs, of which this process has chosen one.
            timeout_s: How long to wait for the others.

        Raises:
            TeamLostError: They did not come.
        """
        with _heard():
            backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
            dist.init_process_group(backend, rank=rank, world_size=size, timeout=timedelta(seconds=timeout_s))
            return cls(rank, size, dist.new_group(backend="gloo", timeout=_PATIENCE))

    def leave(self) -> None:
        """Part from the others, who have no more to say either."""
        if self.size > 1:
            dist.destroy_process_group()

    @property
    def leads(self) -> bool:
        """Whether this process decides and writes."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """This process's rows of what all have: contiguous, as many as the others' or one more."""
        return torch.tensor_split(rows, self.size)[self.rank]

    def add(self, tensor: Tensor) -> None:
        """Replace a tensor by the sum of all processes' tensors."""
        if self.size > 1:
            self._meet()
            with _heard():
                dist.all_reduce(tensor)

    def totals(self, first: int, second: int) -> tuple[int, int]:
        """The sums of two numbers over all processes."""
        if self.size == 1:
            return first, second
        met = self._meet(first, second)
        return sum(row[1] for row in met), sum(row[2] for row in met)

    def fail(self, kind: str, text: str) -> None:
        """Tell the others that this process cannot go on with the work, instead of meeting them."""
        if self.size > 1:
            self._meet(failure=f"{kind}\n{text}")

    def finish(self) -> None:
        """Wait until all have done the work; raises what `add` raises."""
        if self.size > 1:
            self._meet()

    def tell(self, message: bytes) -> None:
        """Send the others a message, when this process leads."""
        if self.size > 1:
            with _heard():
                broadcast(message, 0, self._idle)

    def hear(self) -> bytes:
        """Wait, however long, for the next message of the process that leads."""
        with _heard():
            return broadcast(None, 0, self._idle)

    def _meet(self, first: int = 0, second: int = 0, failure: str | None = None) -> list[list[int]]:
        """Everybody's failure (0 or 1) and numbers."""
        with _heard():
            met = gather((int(failure is not None), first, second), self.size)
            failed = [rank for rank, row in enumerate(met) if row[0]]
            if not failed:
                return met
            said = broadcast((failure or "").encode() if failed[0] == self.rank else None, failed[0])
        if failure is None:
            kind, _, text = said.decode().partition("\n")
            raise TeammateFailedError(failed[0], kind, text)
        return met


ALONE = Team()


@contextmanager
def _heard() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # of whatever carries the messages
        # Without the place in its source, and without the advice that follows.
        said = re.sub(r"^\[\S+\] ", "", str(error)).partition("\n")[0].partition(". ")[0]
        raise TeamLostError(said) from error
