"""Storage in a folder, durable through power cuts: every object is synced before it gets its name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, final
from urllib.parse import unquote, urlsplit

from taskgrove.domain.errors import BadValueError, StorePathError
from taskgrove.store.base import AbstractBackend, Entry
from taskgrove.store.disk.durable import (
    ABSENT,
    TEMPORARY,
    Explained,
    create,
    make_root,
    replace,
    sync_folder,
)
from taskgrove.store.disk.journal import Journal
from taskgrove.store.disk.layout import Layout, decide, layout_of
from taskgrove.store.keys import LOG, check_key, check_prefix, record_number


@final
class LocalBackend(AbstractBackend):
    """Objects as files below a folder, on any file system with hard links (NFS and Lustre included).

    On a disk of this machine the records of a log lie a thousand in a file; see ADR 0018.

    Args:
        root: The folder; made by the first write.
    """

    name: ClassVar[str] = "local"
    summary: ClassVar[str] = "a folder on this machine or on a network file system"
    schemes: ClassVar[tuple[str, ...]] = ("file",)

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._settled: set[Path] = set()
        self._journal = Journal(self.root)
        self._layout: Layout | None = None
        self._begun = False

    @classmethod
    def at(cls, location: str) -> LocalBackend:
        path = Path(_path(location) if location.startswith("file:") else location).expanduser()
        with Explained("look at", path):
            occupied = path.exists() and not path.is_dir()
        if occupied:
            raise StorePathError(f"{path} is a file; a store is a folder, so name another path.")
        return cls(path)

    def __str__(self) -> str:
        return str(self.root)

    def __reduce__(self) -> tuple[object, ...]:
        return LocalBackend, (self.root,)

    def get(self, key: str) -> bytes | None:
        check_key(key)
        with Explained("read", self.root, key), suppress(*ABSENT):
            number = self._journalled(key)
            if number is not None:
                return self._journal.get(number)
            return (self.root / key).read_bytes()
        return None

    def size(self, key: str) -> int | None:
        check_key(key)
        with Explained("look at", self.root, key), suppress(*ABSENT):
            number = self._journalled(key)
            if number is not None:
                return self._journal.size(number)
            found = os.stat(f"{self.root}/{key}")
            return found.st_size if stat.S_ISREG(found.st_mode) else None
        return None

    def put_new(self, key: str, data: bytes) -> bool:
        check_key(key)
        with Explained("write", self.root, key):
            number = self._journalled(key, writes=True)
            if number is not None:
                return self._journal.put_new(number, data)
            path = self.root / key
            if os.path.lexists(path):  # somebody was faster: spare the writing and syncing of a file
                return False
            self._settle(path.parent, in_order=True)
            return create(path, data)

    def put(self, key: str, data: bytes) -> None:
        check_key(key)
        with Explained("write", self.root, key):
            number = self._journalled(key, writes=True)
            if number is not None:
                self._journal.put(number, data)
                return
            path = self.root / key
            self._settle(path.parent, in_order=False)
            replace(path, data)

    def list(self, prefix: str) -> Iterator[Entry]:
        check_prefix(prefix)
        top = prefix.rpartition("/")[0]
        with Explained("list", self.root, top):
            journalled = self._decided() == "journal"
            for entry in _walk(self.root / top, f"{top}/" if top else ""):
                if entry.key.startswith(prefix) and not (journalled and entry.key.startswith(LOG)):
                    yield entry
            if journalled and (prefix.startswith(LOG) or LOG.startswith(prefix)):
                yield from self._journal.list(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            check_key(key)
            with Explained("delete", self.root, key), suppress(*ABSENT):
                number = self._journalled(key)
                if number is None:
                    os.unlink(self.root / key)
                else:
                    self._journal.delete(number)

    @contextmanager
    def turn(self) -> Iterator[bool]:
        with Explained("write to the log in", self.root):
            if self._decided(writes=True) == "files":
                yield False
                return
            with self._journal.turn():
                yield True

    def unfinished(self) -> Iterator[str]:
        with Explained("read the log in", self.root):
            if self._decided() == "journal":
                yield from self._journal.unfinished()

    def sweep(self, before: float) -> int:
        swept = 0
        with Explained("sweep", self.root):
            for folder, _, names in os.walk(self.root):
                for name in names:
                    path = Path(folder, name)
                    if name.startswith(TEMPORARY):
                        with suppress(*ABSENT):
                            if path.stat().st_mtime < before:
                                path.unlink()
                                swept += 1
            if self._decided() == "journal":
                swept += self._journal.sweep(before)
        return swept

    def _journalled(self, key: str, writes: bool = False) -> int | None:
        """The number of the record that lies under a key, if records lie together here."""
        number = record_number(key) if key.startswith(LOG) else None
        return number if number is not None and self._decided(writes) == "journal" else None

    def _decided(self, writes: bool = False) -> Layout | None:
        """How records lie here; whoever writes the first one decides."""
        if writes and not self._begun:
            self._layout = decide(self.root, self._make)
            self._begun = True
        elif self._layout is None:
            self._layout = layout_of(self.root)
        return self._layout

    def _make(self, folder: Path) -> None:
        self._settle(folder, in_order=False)

    def _settle(self, folder: Path, in_order: bool) -> None:
        """Make a folder whose own name survives a power cut; once per folder and process.

        An existing folder is synced into its parent too: the process that made it may not have come
        to that yet. With `in_order`, what lies in the numbered folder before this one becomes durable
        first, so that commit n is never less durable than commit n + 1.
        """
        if folder in self._settled:
            return
        if folder == self.root:
            make_root(folder)
        else:
            self._settle(folder.parent, in_order=False)
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)
        if in_order and folder.name.isdecimal() and int(folder.name) > 0:
            with suppress(FileNotFoundError):
                sync_folder(folder.parent / f"{int(folder.name) - 1:0{len(folder.name)}d}")
        self._settled.add(folder)


def _path(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise BadValueError(
            f"{url!r} names no folder of this machine; write file:relative/path or file:///absolute/path."
        )
    return unquote(parts.path)


def _walk(folder: Path, above: str) -> Iterator[Entry]:
    with suppress(*ABSENT), os.scandir(folder) as found:
        for item in found:
            if item.name.startswith("."):  # a temporary file of ours, or a stranger's
                continue
            if item.is_dir():
                yield from _walk(folder / item.name, f"{above}{item.name}/")
                continue
            with suppress(FileNotFoundError):  # removed since it was found
                status = item.stat()
                yield Entry(f"{above}{item.name}", status.st_size, status.st_mtime)
