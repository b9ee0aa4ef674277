"""What every storage backend must do: subclass `BackendSuite` and override its fixture."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from taskgrove.domain.errors import BadValueError
from taskgrove.store.base import AbstractBackend

_THREADS = 4
_BAD_KEYS = (
    "",
    "/a",
    "a/",
    "a//b",
    "../a",
    "a/../b",
    "a/./b",
    ".tmp-1",
    "a/.hidden",
    "a\\b",
    "a b",
    "a\nb",
    "é",
    "a\0",
)


class BackendSuite:
    """Conformance of a backend.

    Example:
        class TestMyBackend(BackendSuite):
            @pytest.fixture
            def backend(self, tmp_path: Path) -> AbstractBackend:
                return MyBackend(tmp_path)
    """

    @pytest.fixture
    def backend(self) -> AbstractBackend:
        """A fresh, empty backend for each test."""
        raise NotImplementedError("Override the fixture `backend` with a fresh, empty backend.")

    def test_has_a_name_and_a_summary(self, backend: AbstractBackend) -> None:
        """Both are listed for users."""
        assert backend.name
        assert backend.summary

    def test_a_location_means_a_storage_or_is_refused_as_a_bad_value(
        self, backend: AbstractBackend, tmp_path: Path
    ) -> None:
        """What people write behind the name of the backend."""
        location = str(tmp_path / "somewhere")
        with suppress(BadValueError):
            assert type(backend).at(location).put_new("a", b"1")
            assert type(backend).at(location).get("a") == b"1"

    def test_an_absent_object_is_none(self, backend: AbstractBackend) -> None:
        """So is a key that is only a folder of other keys."""
        backend.put("a/b/c", b"1")
        assert backend.get("absent") is None
        assert backend.get("a/absent/c") is None
        assert backend.get("a/b") is None
        assert backend.size("absent") is None
        assert backend.size("a/absent/c") is None
        assert backend.size("a/b") is None

    def test_an_empty_backend_lists_nothing(self, backend: AbstractBackend) -> None:
        """Even before anything was ever written."""
        assert list(backend.list("")) == []
        assert list(backend.list("a/b")) == []

    @pytest.mark.parametrize("data", [b"", b"\0", b"text", bytes(range(256)) * 7])
    def test_what_was_put_comes_back(self, backend: AbstractBackend, data: bytes) -> None:
        """By either verb, whatever the bytes."""
        assert backend.put_new("a/new", data)
        backend.put("a/put", data)
        assert backend.get("a/new") == data
        assert backend.get("a/put") == data

    def test_the_size_is_that_of_the_bytes(self, backend: AbstractBackend) -> None:
        """It follows the object: made, replaced, removed."""
        backend.put_new("a/b", b"")
        assert backend.size("a/b") == 0
        backend.put("a/b", b"12345")
        assert backend.size("a/b") == 5
        backend.delete(["a/b"])
        assert backend.size("a/b") is None

    def test_put_new_never_replaces(self, backend: AbstractBackend) -> None:
        """The first one wins, also over an object that `put` made."""
        assert backend.put_new("a", b"first")
        assert not backend.put_new("a", b"second")
        assert not backend.put_new("a", b"first")
        backend.put("b", b"first")
        assert not backend.put_new("b", b"second")
        assert (backend.get("a"), backend.get("b")) == (b"first", b"first")

    def test_put_replaces(self, backend: AbstractBackend) -> None:
        """Also what `put_new` made, and with shorter bytes."""
        backend.put_new("a", b"a longer first")
        backend.put("a", b"second")
        assert backend.get("a") == b"second"

    def test_list_finds_exactly_the_prefix(self, backend: AbstractBackend) -> None:
        """A prefix may end in the middle of a name; sizes are right."""
        for key in ("a/1", "a/10", "a/b/2", "ab/3", "c"):
            backend.put(key, key.encode())
        expected = {
            "": {"a/1", "a/10", "a/b/2", "ab/3", "c"},
            "a": {"a/1", "a/10", "a/b/2", "ab/3"},
            "a/": {"a/1", "a/10", "a/b/2"},
            "a/1": {"a/1", "a/10"},
            "a/1/": set(),
            "absent/": set(),
        }
        for prefix, keys in expected.items():
            assert {entry.key for entry in backend.list(prefix)} == keys
        assert all(entry.size_bytes == len(entry.key) for entry in backend.list(""))
        assert all(entry.mtime > 1_000_000_000 for entry in backend.list(""))

    def test_list_may_be_interleaved_with_delete(self, backend: AbstractBackend) -> None:
        """A collector deletes while it lists."""
        for number in range(20):
            backend.put(f"a/{number}", b"x")
        for entry in backend.list("a/"):
            backend.delete([entry.key])
        assert list(backend.list("")) == []

    def test_delete_ignores_what_is_absent(self, backend: AbstractBackend) -> None:
        """And a deleted name can be created again."""
        backend.put("a", b"1")
        backend.put("b", b"2")
        backend.delete(["absent", "a/absent", "a"])
        assert [entry.key for entry in backend.list("")] == ["b"]
        assert backend.put_new("a", b"3")

    @pytest.mark.parametrize("key", _BAD_KEYS)
    def test_bad_keys_are_refused_by_every_verb(self, backend: AbstractBackend, key: str) -> None:
        """A key can never leave the store or hide in it."""
        verbs: tuple[Callable[[], object], ...] = (
            lambda: backend.get(key),
            lambda: backend.size(key),
            lambda: backend.put_new(key, b""),
            lambda: backend.put(key, b""),
            lambda: backend.delete([key]),
        )
        for verb in verbs:
            with pytest.raises(BadValueError):
                verb()

    @pytest.mark.parametrize("prefix", ["../", "/", "a/../", ".tmp-"])
    def test_bad_prefixes_are_refused(self, backend: AbstractBackend, prefix: str) -> None:
        """Listing cannot leave the store either."""
        with pytest.raises(BadValueError):
            list(backend.list(prefix))

    def test_big_objects_are_whole(self, backend: AbstractBackend) -> None:
        """12 MiB by either verb, which is more than clients and servers put into one part."""
        data = bytes(range(256)) * (12 * 4096)
        assert backend.put_new("new", data)
        backend.put("put", data)
        assert backend.get("new") == data
        assert backend.get("put") == data

    def test_of_racing_creators_exactly_one_wins(self, backend: AbstractBackend) -> None:
        """Each key has one winner, and holds the winner's bytes."""
        barrier = threading.Barrier(_THREADS)

        def race(thread: int) -> list[bool]:
            barrier.wait()
            return [backend.put_new(f"race/{k}", f"{thread}".encode()) for k in range(20)]

        with ThreadPoolExecutor(_THREADS) as pool:
            wins = list(pool.map(race, range(_THREADS)))
        for k in range(20):
            winners = [thread for thread in range(_THREADS) if wins[thread][k]]
            assert len(winners) == 1
            assert backend.get(f"race/{k}") == f"{winners[0]}".encode()

    def test_readers_never_see_a_part(self, backend: AbstractBackend) -> None:
        """While an object is replaced again and again, `get` and `list` show one version or the other."""
        sizes = (300_000, 50)
        backend.put("a", b"0" * sizes[0])
        done = threading.Event()

        def read() -> set[int]:
            seen: set[int] = set()
            while not done.is_set():
                seen.add(len(backend.get("a") or b""))
                seen.update(entry.size_bytes for entry in backend.list(""))
            return seen

        with ThreadPoolExecutor(2) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            for turn in range(30):
                backend.put("a", b"1" * sizes[turn % 2])
            done.set()
        assert all(reader.result() <= set(sizes) for reader in readers)
