"""A system's history: commits by the names that people give them, tags, notes, tasks that leave."""

from __future__ import annotations

import re
from collections.abc import Mapping

from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Note, Retire, Tag
from taskgrove.store.past import PastBackend
from taskgrove.store.state import State
from taskgrove.store.store import Store

_MOMENT = re.compile(r"(?P<base>[^~]*)(?P<back>(~[0-9]{0,18})*)")
Moment = int | str
"""A commit: its number, a tag, or either with `~N` for N commits before; `HEAD` or nothing is the newest."""


def commit_number(moment: Moment, state: State) -> int:
    """The number of the commit that a person means.

    Args:
        moment: `12`, `v1`, `HEAD`, `HEAD~3`, `~3`, `v1~1`.
        state: At the head of the log; knows the tags.

    Raises:
        UnknownNameError: There is no such tag.
        BadValueError: There is no such commit.
    """
    found = _MOMENT.fullmatch(str(moment))
    if found is None:
        raise BadValueError(
            f"{moment!r} names no commit; write a number, a tag, or HEAD, and ~N for N commits before it."
        )
    steps = (int(step or 1) for step in found["back"].split("~")[1:])
    number = _base(found["base"], state.tags, state.view.number) - sum(steps)
    if not 0 <= number <= state.view.number:
        raise BadValueError(
            f"There is no commit {number} ({moment}): the log has commits 0 to {state.view.number}."
        )
    return number


def state_at(store: Store, moment: Moment | None) -> State:
    """Everything that the log says at a commit, None for the newest; raises what `commit_number` raises."""
    store.refresh()
    return store.state if moment is None else store.state_at(commit_number(moment, store.state))


def store_at(store: Store, moment: Moment) -> Store:
    """The store as it was at a commit, only to be read.

    What was live then can be computed with as long as its blobs are kept: those of tagged commits are.

    Raises:
        UnknownNameError: There is no such tag.
        BadValueError: There is no such commit.
    """
    store.refresh()
    past = PastBackend(store.backend, commit_number(moment, store.state))
    return Store.open(past, writable=False, thousand=store.thousand)


def tag(store: Store, name: str, moment: Moment = "HEAD") -> int:
    """Give a commit a name for ever, so that what is live there is kept; returns its number.

    Raises:
        BadValueError: The name cannot be a tag, or there is no such commit.
        DuplicateNameError: The tag exists.
        UnknownNameError: `moment` names an unknown tag.
    """
    store.refresh()
    number = commit_number(moment, store.state)
    store.commit(Tag(name=name, number=number))
    return number


def note(store: Store, text: str, task: str | None = None) -> int:
    """Write down a remark, about a task or about the system; returns the number of its commit.

    Raises:
        BadValueError: The text is empty.
        UnknownNameError: There is no such task, and never was.
    """
    if not text.strip():
        raise BadValueError("An empty note says nothing; give a text.")
    return store.commit(Note(text=text, task=None if task is None else TaskName(task))).number


def retire(store: Store, task: str) -> int:
    """Let a task leave the system; its history stays readable. Returns the number of the commit.

    Raises:
        UnknownNameError: There is no such task.
    """
    return store.commit(Retire(task=TaskName(task))).number


def _base(text: str, tags: Mapping[str, int], newest: int) -> int:
    if text in ("", "HEAD"):
        return newest
    if re.fullmatch(r"0|[1-9][0-9]{0,17}", text):
        return int(text)
    if text not in tags:
        raise UnknownNameError.of("tag", text, tags)
    return tags[text]
