"""What the log lets anybody write again, examined: segments and checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator

from taskgrove.store.base import AbstractBackend
from taskgrove.store.checkpoint import CHECKPOINTS, load_checkpoint
from taskgrove.store.forked import owned
from taskgrove.store.segments import SEGMENTS, load_segment
from taskgrove.store.state import State

_NUMBER = re.compile(r"[0-9]+")


class Caches:
    """The caches of a store, examined along a walk of its log.

    Args:
        backend: Holds the store.
    """

    def __init__(self, backend: AbstractBackend) -> None:
        self._backend = backend
        self._unread = _numbered(backend, CHECKPOINTS)
        self.wrong: list[str] = []
        """Keys of checkpoints that are intact and contradict the log: who opens the store believes them."""

    def compare(self, state: State) -> None:
        """Compare the checkpoint after a commit, if there is one, with the state that the log gives."""
        num_commits = state.view.number + 1
        if num_commits not in self._unread:
            return
        found = load_checkpoint(self._backend, num_commits)
        if found is not None:
            key = self._unread.pop(num_commits)
            if found.state != state:
                self.wrong.append(key)

    def unusable(self) -> Iterator[str]:
        """Keys of what is damaged, or of another version, or of no use for this log; nobody believes it."""
        yield from self._unread.values()
        for number, key in _numbered(self._backend, SEGMENTS).items():
            if load_segment(self._backend, number) is None:
                yield key


def _numbered(backend: AbstractBackend, prefix: str) -> dict[int, str]:
    """A store's own caches of a kind: their keys by the numbers in them."""
    keys = (entry.key for entry in owned(backend).list(prefix))
    found = ((_NUMBER.match(key.removeprefix(prefix)), key) for key in keys)
    return {int(number[0]): key for number, key in found if number is not None}
