"""Which blobs a store must have, from its log alone: what the log refers to and has not given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from taskgrove.domain.records import Commit, Tag
from taskgrove.store import log
from taskgrove.store.base import AbstractBackend
from taskgrove.store.blobs import referenced_by
from taskgrove.store.state import State
from taskgrove.store.upkeep.names import Name, condemned_by, live_names, names_of


@dataclass(slots=True)
class Uses:
    """Gathered along a walk from the beginning of the log.

    Attributes:
        forked: Number of the commit at which the store was forked from another; None for most.
        first: The commit that first refers to each name.
        condemned: The commit that condemned each name that was.
        spared: Names that were dead at the fork, which the parent may collect without telling.
        tags: Known at the fork; what is live under them the parent keeps.
        given: The commit that gave each tag; what had been condemned before it stays dead.
    """

    forked: int | None = None
    first: dict[Name, int] = field(default_factory=dict)
    condemned: dict[Name, int] = field(default_factory=dict)
    spared: set[Name] = field(default_factory=set)
    tags: frozenset[str] = frozenset()
    given: dict[str, int] = field(default_factory=dict)

    def add(self, commit: Commit, state: State) -> None:
        """Take in the next commit, with the state after it."""
        for name in names_of(state, referenced_by(commit.operation)):
            if name in self.spared:
                self.spared.discard(name)
                self.first[name] = commit.number
            self.first.setdefault(name, commit.number)
        self.condemned.update(dict.fromkeys(condemned_by(commit), commit.number))
        if isinstance(commit.operation, Tag):
            self.given[commit.operation.name] = commit.number
        if commit.number == self.forked:
            self.spared.update(self.first.keys() - live_names(state))
            self.tags = frozenset(state.tags)

    def expected(self, backend: AbstractBackend, state: State) -> Mapping[Name, int]:
        """The names under which blobs must be there, each with the commit that first refers to it.

        What is live now or under a tag is among them, whatever was condemned.

        Args:
            backend: Holds the log.
            state: After the last commit of the walk.
        """
        given_up = (self.condemned.keys() | self.spared) & self.first.keys()
        if given_up:
            for tag, number in state.tags.items():
                if self._kept(tag, number):
                    names, given = live_names(log.replay(backend, number)), self.given[tag]
                    given_up -= {name for name in names if self.condemned.get(name, given) >= given}
            given_up -= live_names(state)
        return {name: number for name, number in self.first.items() if name not in given_up}

    def _kept(self, tag: str, number: int) -> bool:
        """Whether the tag was heard by those who collect what it names."""
        return self.forked is None or number >= self.forked or tag in self.tags
