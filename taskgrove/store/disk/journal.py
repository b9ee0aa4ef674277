"""The log's records on a local disk: a file per thousand, appended to under a lock that the kernel keeps."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from taskgrove.domain.errors import UnsafeBackendError
from taskgrove.store.base import Entry
from taskgrove.store.disk.durable import ABSENT, replace, sync_file, sync_folder
from taskgrove.store.disk.frames import framed
from taskgrove.store.disk.layout import MARKER
from taskgrove.store.disk.mounts import is_local
from taskgrove.store.disk.reading import Reading
from taskgrove.store.disk.turn import Turn
from taskgrove.store.keys import LOG, PER_FOLDER, record_key

_KEPT = 4
"""Files of which is remembered what lies where in them."""
_WRITTEN_S = 0.05
"""Much longer than a writer who is alive takes for a record."""


class Journal:
    """Records by number.

    A record is acknowledged only after its file was synced, with all that had been appended before it. The
    sync comes after the lock is released, so that the next writer appends meanwhile.

    Args:
        root: Of the store.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder, self._lock = f"{root}/{LOG}", f"{root}/{MARKER}"
        self._read: dict[str, Reading] = {}
        self._reading = threading.Lock()
        self._writing = threading.RLock()
        self._turn: Turn | None = None
        self._settled: set[str] = set()
        self._doubtful: set[str] = set()
        """Files that could neither be synced nor written anew."""
        self._local: bool | None = None

    def get(self, number: int) -> bytes | None:
        """The record's bytes as they lie there, damaged or not; None when there is none."""
        with self._reading:
            return self._known(self._path(number)).get(number)

    def size(self, number: int) -> int | None:
        """Of the record, in bytes."""
        with self._reading:
            return self._known(self._path(number)).size(number)

    def list(self, prefix: str) -> Iterator[Entry]:
        """The records whose keys start with a prefix."""
        for path in self._files():
            folder = f"{LOG}{os.path.basename(path)}/"
            if not (folder.startswith(prefix) or prefix.startswith(folder)):
                continue
            with self._reading:
                known = self._known(path)
                found = [(record_key(number), size) for number, size in known.sizes()]
            yield from (Entry(key, size, known.mtime) for key, size in found if key.startswith(prefix))

    def unfinished(self) -> Iterator[str]:
        """The records that killed writers have begun to write, in words."""
        found = self._unfinished()
        if found:
            time.sleep(_WRITTEN_S)
            yield from sorted(found & self._unfinished())  # the others were being written

    def _unfinished(self) -> set[str]:
        found = set()
        for path in self._files():
            with self._reading:
                found.add(self._known(path).unfinished())
        return {told for told in found if told is not None}

    def put_new(self, number: int, data: bytes) -> bool:
        """Append a record; False when there is one of its number."""
        with self._writing:
            if self._turn is not None:  # as in every commit
                return self._appended(self._turn, number, data)
        with self.turn() as turn:
            return self._appended(turn, number, data)

    def _appended(self, turn: Turn, number: int, data: bytes) -> bool:
        path = self._path(number)
        file = turn.opened(path, lambda: self._settle(path))
        with self._reading:
            known = self._known(path)
            if number in known:
                return False
            if known.size_bytes > known.end:
                os.ftruncate(file, known.end)
            frame = framed(number, data)
            turn.append(path, frame, known.end)
            known.add(number, len(data), len(frame))
        return True

    def put(self, number: int, data: bytes) -> None:
        """Append a record, or put it in the place of another: the file is written anew."""
        self._rewrite(self._path(number), {number: data})

    def delete(self, number: int) -> None:
        """Take a record out: the file is written anew."""
        if self.size(number) is not None:
            self._rewrite(self._path(number), {number: None})

    def sweep(self, before: float) -> int:
        """Cut off what killed writers have left unfinished in files older than a time (s, epoch)."""
        swept = 0
        for path in self._files():
            with self._reading:
                stray = self._known(path).unfinished() is not None
            if stray:
                swept += self._swept(path, before)
        return swept

    def _swept(self, path: str, before: float) -> bool:
        with self.turn(), self._reading:
            known = self._known(path)
            if known.unfinished() is None or known.mtime >= before:
                return False
            os.truncate(path, known.end)
            return True

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Keep other writers waiting; what was appended is durable when this has ended, not before.

        So is what was found, when nothing was appended: a commit that is there already may be that of a
        writer who died before its sync.
        """
        turn = None
        try:
            with self._writing:
                if self._turn is not None:
                    yield self._turn
                    return
                self._refuse_far()
                turn = self._turn = Turn(self._lock)
                try:
                    for path in tuple(self._doubtful):
                        self._salvage(path)
                    yield turn
                    if not turn.has_appended:
                        self._vouch(turn)
                finally:
                    self._turn = None
                    turn.release()
        finally:
            if turn is not None:
                turn.sync(self._salvage)  # when all locks are released

    def _vouch(self, turn: Turn) -> None:
        """The files before the newest were synced before its first record was written."""
        files = self._files()
        if files:
            turn.vouch(files[-1])

    def _salvage(self, path: str) -> None:
        """A file that could not be synced is written anew: nothing tells what of it has reached the disk."""
        self._doubtful.add(path)
        self._rewrite(path, {})
        self._doubtful.discard(path)

    def _rewrite(self, path: str, changes: dict[int, bytes | None]) -> None:
        with self.turn() as turn, self._reading:
            self._settle(path)
            known = self._known(path)
            records = {number: known.get(number) for number, _ in known.sizes()} | changes
            frames = (framed(n, data) for n, data in sorted(records.items()) if data is not None)
            replace(Path(path), b"".join(frames))
            turn.forget(path)

    def _known(self, path: str) -> Reading:
        """What lies in a file at this moment."""
        known = self._read.pop(path, None) or Reading(path)
        self._read[path] = known  # now the newest
        if len(self._read) > _KEPT:
            del self._read[next(iter(self._read))]
        known.follow()
        return known

    def _settle(self, path: str) -> None:
        """Before a process's first record in a file, make the file's name durable and what lies before it."""
        if path in self._settled:
            return
        first = int(os.path.basename(path)) * PER_FOLDER
        with suppress(FileNotFoundError):
            sync_file(Path(self._path(first - 1) if first else path))
        sync_folder(Path(self._folder))
        self._settled.add(path)

    def _path(self, number: int) -> str:
        return f"{self._folder}{number // PER_FOLDER:06d}"

    def _files(self) -> tuple[str, ...]:
        with suppress(*ABSENT), os.scandir(self._folder) as found:
            return tuple(sorted(entry.path for entry in found if entry.name.isdecimal()))
        return ()

    def _refuse_far(self) -> None:
        """A lock of this machine does not keep another machine's writers waiting."""
        if self._local is None:
            self._local = is_local(self.root)
        if not self._local:
            raise UnsafeBackendError(
                f"The log in {self.root} was begun on a disk of one machine, where its writers lock a file; "
                "now it lies on a network file system, or on one that is not known, where it may not "
                "hold. It can be read here. To write, go on where it was, or make a copy that is meant for "
                "here: `taskgrove mirror`."
            )
