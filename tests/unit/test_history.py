"""Commits by name, the past as a store, tags, notes, and tasks that leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskgrove.domain.errors import (
    BadValueError,
    DuplicateNameError,
    StorageAccessError,
    StoreCorruptError,
    UnknownNameError,
)
from taskgrove.domain.ids import BlobId, TaskName
from taskgrove.domain.records import Note
from taskgrove.experiment.history import commit_number, note, retire, state_at, store_at, tag
from taskgrove.experiment.places import open_index
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.keys import blob_key
from taskgrove.store.store import Store
from taskgrove.tasks.cache import machine_folder
from taskgrove.testing.scripts import life, play

LAST = len(life()) - 1


@pytest.fixture
def store() -> Store:
    made = Store.create(MemoryBackend(), thousand=10)
    play(made, life())
    return made


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), ("HEAD", LAST), ("HEAD~3", LAST - 3), ("~3", LAST - 3), ("~", LAST - 1), ("~~2", LAST - 3)],
)
def test_commits_have_names(text: str, number: int, store: Store) -> None:
    assert commit_number(text, store.state) == number
    assert commit_number(number, store.state) == number


def test_a_tag_names_its_commit_and_those_before(store: Store) -> None:
    assert tag(store, "v1", "~4") == LAST - 4
    assert tag(store, "newest") == LAST + 1
    assert commit_number("v1", store.state) == LAST - 4
    assert commit_number("v1~2", store.state) == LAST - 6
    with pytest.raises(DuplicateNameError, match="'v1'"):
        tag(store, "v1")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("v1", UnknownNameError, "There is no tag named 'v1'"),
        ("v1~2", UnknownNameError, "There is no tag named 'v1'"),
        ("99", BadValueError, rf"no commit 99 \(99\): the log has commits 0 to {LAST}"),
        ("~99", BadValueError, "no commit -"),
        ("9" * 5000, UnknownNameError, "There is no tag"),
        ("~x", BadValueError, "names no commit; write a number, a tag, or HEAD"),
    ],
)
def test_what_names_no_commit_is_refused(text: str, error: type[Exception], says: str, store: Store) -> None:
    with pytest.raises(error, match=says):
        commit_number(text, store.state)


def test_a_tag_can_be_mistyped(store: Store) -> None:
    tag(store, "release-1")
    with pytest.raises(UnknownNameError, match="Did you mean 'release-1'"):
        state_at(store, "relase-1")


@pytest.mark.parametrize("number", [0, 3, 9, 10, 19, 25, LAST])
def test_the_past_is_a_store_as_it_was(number: int, store: Store) -> None:
    past = store_at(store, number)
    assert past.state == state_at(store, number) == store.state_at(number)
    assert list(past.history()) == list(store.history(0, number + 1))
    assert past.refresh().number == number
    for model in past.state.view.models.values():
        assert past.get_blob(BlobId(model.components[0].id))


def test_the_past_cannot_be_changed(store: Store) -> None:
    past = store_at(store, 5)
    before = {entry.key for entry in store.backend.list("")}
    with pytest.raises(StorageAccessError):
        past.commit(Note(text="too late"))
    for change in (
        lambda: past.backend.put("x", b""),
        lambda: past.backend.put_new("x", b""),
        lambda: past.backend.delete(["taskgrove.json"]),
    ):
        with pytest.raises(StorageAccessError, match=r"at commit 5.* the past is only read"):
            change()
    assert {entry.key for entry in store.backend.list("")} == before


def test_weights_that_are_gone_are_missing_in_the_past_too(store: Store) -> None:
    past = store_at(store, 5)
    blob = BlobId(next(iter(past.state.view.models.values())).components[0].id)
    store.backend.delete([blob_key(blob)])
    with pytest.raises(StoreCorruptError, match=f"Blob {blob} is missing"):
        past.get_blob(blob)


def test_the_index_lies_in_the_cache_of_the_machine(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in (("TASKGROVE_CACHE", ""), ("XDG_CACHE_HOME", str(tmp_path / "usual"))):
        monkeypatch.setenv(variable, value)
    assert machine_folder() == tmp_path / "usual" / "taskgrove"
    open_index(store).close()
    assert len(list((tmp_path / "usual" / "taskgrove" / "index").glob("*.sqlite"))) == 1
    monkeypatch.setenv("TASKGROVE_CACHE", str(tmp_path / "own"))
    assert machine_folder() == tmp_path / "own"


def test_a_retired_task_is_gone_now_and_there_before(store: Store) -> None:
    number = retire(store, "a")
    assert TaskName("a") not in store.state.view.tasks
    assert TaskName("a") in store_at(store, number - 1).state.view.bests
    with pytest.raises(UnknownNameError, match="'a'"):
        retire(store, "a")


def test_notes_need_a_text_and_a_task_that_was(store: Store) -> None:
    assert note(store, "fine", "a") == LAST + 1
    retire(store, "a")
    assert note(store, "it left", "a") == LAST + 3
    with pytest.raises(BadValueError, match="empty note"):
        note(store, "  ")
    with pytest.raises(UnknownNameError, match="'z'"):
        note(store, "which?", "z")
