"""Storage in a folder, durable through power cuts: every object is synced before it gets its name."""

from __future__ import annotations

import errno
import os
import stat
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, final
from urllib.parse import unquote, urlsplit

from taskgrove.domain.errors import (
    BadValueError,
    EnvironmentFailure,
    StorageAccessError,
    StorageFullError,
    StorePathError,
    TaskgroveError,
    UnsafeBackendError,
)
from taskgrove.store.base import AbstractBackend, Entry
from taskgrove.store.keys import check_key, check_prefix

if sys.platform == "darwin":
    import fcntl

_TEMPORARY = ".tmp-"
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


@final
class LocalBackend(AbstractBackend):
    """Objects as files below a folder, on any file system with hard links (NFS and Lustre included).

    Args:
        root: The folder; made by the first write.
    """

    name: ClassVar[str] = "local"
    summary: ClassVar[str] = "a folder on this machine or on a network file system"
    schemes: ClassVar[tuple[str, ...]] = ("file",)

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._settled: set[Path] = set()

    @classmethod
    def at(cls, location: str) -> LocalBackend:
        path = Path(_path(location) if location.startswith("file:") else location).expanduser()
        with _explained("look at", path):
            occupied = path.exists() and not path.is_dir()
        if occupied:
            raise StorePathError(f"{path} is a file; a store is a folder, so name another path.")
        return cls(path)

    def __str__(self) -> str:
        return str(self.root)

    def get(self, key: str) -> bytes | None:
        check_key(key)
        with _explained("read", self.root / key), suppress(*_ABSENT):
            return (self.root / key).read_bytes()
        return None

    def size(self, key: str) -> int | None:
        check_key(key)
        with _explained("look at", self.root / key), suppress(*_ABSENT):
            found = os.stat(self.root / key)
            return found.st_size if stat.S_ISREG(found.st_mode) else None
        return None

    def put_new(self, key: str, data: bytes) -> bool:
        check_key(key)
        path = self.root / key
        with _explained("write", path):
            if os.path.lexists(path):  # somebody was faster: spare the writing and syncing of a file
                return False
            self._settle(path.parent, in_order=True)
            with _temporary(path.parent, data) as temporary:
                created = _linked(temporary, path)
            if created:
                _sync_folder(path.parent)
        return created

    def put(self, key: str, data: bytes) -> None:
        check_key(key)
        path = self.root / key
        with _explained("write", path):
            self._settle(path.parent, in_order=False)
            with _temporary(path.parent, data) as temporary:
                os.rename(temporary, path)
            _sync_folder(path.parent)

    def list(self, prefix: str) -> Iterator[Entry]:
        check_prefix(prefix)
        top = prefix.rpartition("/")[0]
        with _explained("list", self.root / top):
            for entry in _walk(self.root / top, f"{top}/" if top else ""):
                if entry.key.startswith(prefix):
                    yield entry

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            check_key(key)
            with _explained("delete", self.root / key), suppress(*_ABSENT):
                os.unlink(self.root / key)

    def sweep(self, before: float) -> int:
        swept = 0
        with _explained("sweep", self.root):
            for folder, _, names in os.walk(self.root):
                for name in names:
                    path = Path(folder, name)
                    if name.startswith(_TEMPORARY):
                        with suppress(*_ABSENT):
                            if path.stat().st_mtime < before:
                                path.unlink()
                                swept += 1
        return swept

    def _settle(self, folder: Path, in_order: bool) -> None:
        """Make a folder whose own name survives a power cut; once per folder and process.

        An existing folder is synced into its parent too: the process that made it may not have come
        to that yet. With `in_order`, what lies in the numbered folder before this one becomes durable
        first, so that commit n is never less durable than commit n + 1.
        """
        if folder in self._settled:
            return
        if folder == self.root:
            _make_root(folder)
        else:
            self._settle(folder.parent, in_order=False)
            folder.mkdir(exist_ok=True)
            _sync_folder(folder.parent)
        if in_order and folder.name.isdecimal() and int(folder.name) > 0:
            with suppress(FileNotFoundError):
                _sync_folder(folder.parent / f"{int(folder.name) - 1:0{len(folder.name)}d}")
        self._settled.add(folder)


def _path(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise BadValueError(
            f"{url!r} names no folder of this machine; write file:relative/path or file:///absolute/path."
        )
    return unquote(parts.path)


@contextmanager
def _explained(action: str, path: Path) -> Iterator[None]:
    """Turn the operating system's errors into ours."""
    try:
        yield
    except TaskgroveError:
        raise
    except OSError as error:
        raise _failure(error, f"Could not {action} {path} ({error.strerror or error})") from error


def _failure(error: OSError, what: str) -> EnvironmentFailure:
    if error.errno in _FULL:
        return StorageFullError(
            f"{what}: no space is left. Free some and go on; all commits so far are safe."
        )
    if error.errno in _DENIED:
        return StorageAccessError(f"{what}: the permissions do not allow it. Check who owns the folder.")
    return EnvironmentFailure(f"{what}. Check the path and the disk; all commits so far are safe.")


@contextmanager
def _temporary(folder: Path, data: bytes) -> Iterator[Path]:
    """A synced file with the data under a temporary name, removed at the end."""
    path = folder / f"{_TEMPORARY}{uuid.uuid4().hex}"
    try:
        _write(path, data)
        yield path
    finally:
        with suppress(OSError):
            os.unlink(path)


def _write(path: Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        rest = memoryview(data)
        while rest:  # one write may take only a part, always when there are more than 2 GiB
            rest = rest[os.write(file, rest) :]
        _sync(file)
    finally:
        os.close(file)


def _linked(temporary: Path, path: Path) -> bool:
    """Give the file its name, exclusively; rename(2) would replace another writer's object."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        # NFS repeats a LINK whose reply was lost and then answers EEXIST although it worked.
        return os.stat(temporary).st_nlink == 2
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        raise UnsafeBackendError(
            f"The file system of {path.parent} has no hard links ({error.strerror}), so two writers could "
            "overwrite each other. Keep the store on a file system that has them (ext4, XFS, APFS, NFS)."
        ) from error
    return True


def _sync(file: int) -> None:
    """Force a file to the disk; an error is final, since a second fsync may succeed without the data."""
    if sys.platform == "darwin":
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    else:
        os.fsync(file)


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sync(file)
    finally:
        os.close(file)


def _make_root(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_root(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _walk(folder: Path, above: str) -> Iterator[Entry]:
    with suppress(*_ABSENT), os.scandir(folder) as found:
        for item in found:
            if item.name.startswith("."):  # a temporary file of ours, or a stranger's
                continue
            if item.is_dir():
                yield from _walk(folder / item.name, f"{above}{item.name}/")
                continue
            with suppress(FileNotFoundError):  # removed since it was found
                status = item.stat()
                yield Entry(f"{above}{item.name}", status.st_size, status.st_mtime)
