"""Writing files so that they survive a power cut, and what the system says when it cannot."""

from __future__ import annotations

import errno
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from taskgrove.domain.errors import (
    EnvironmentFailure,
    StorageAccessError,
    StorageFullError,
    TaskgroveError,
    UnsafeBackendError,
)

if sys.platform == "darwin":
    import fcntl

TEMPORARY = ".tmp-"
ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


class Explained:
    """Turns the operating system's errors into ours.

    Args:
        action: What is being done.
        folder: To what, or to what in it; not joined before something fails, since that takes time.
        key: What in the folder.
    """

    __slots__ = ("_action", "_folder", "_key")

    def __init__(self, action: str, folder: Path, key: str = "") -> None:
        self._action, self._folder, self._key = action, folder, key

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, TaskgroveError):
            what = f"Could not {self._action} {self._folder / self._key} ({error.strerror or error})"
            raise _failure(error, what) from error


def _failure(error: OSError, what: str) -> EnvironmentFailure:
    if error.errno in _FULL:
        return StorageFullError(
            f"{what}: no space is left. Free some and go on; all commits so far are safe."
        )
    if error.errno in _DENIED:
        return StorageAccessError(f"{what}: the permissions do not allow it. Check who owns the folder.")
    return EnvironmentFailure(f"{what}. Check the path and the disk; all commits so far are safe.")


def create(path: Path, data: bytes) -> bool:
    """Make a file that is whole and synced before it gets its name; False when the name is taken."""
    with _temporary(path.parent, data) as temporary:
        created = _linked(temporary, path)
    if created:
        sync_folder(path.parent)
    return created


def replace(path: Path, data: bytes) -> None:
    """Make a file, or put another in its place, at once and durably."""
    with _temporary(path.parent, data) as temporary:
        os.rename(temporary, path)
    sync_folder(path.parent)


def make_root(folder: Path) -> None:
    """Make a folder, and those above it, whose names survive a power cut."""
    if folder.is_dir():
        return
    make_root(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def write(file: int, data: bytes) -> None:
    """Write all of the data; one call may take only a part, always when there are more than 2 GiB."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def sync(file: int) -> None:
    """Force a file to the disk; an error is final, since a second fsync may succeed without the data."""
    if sys.platform == "darwin":
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    else:
        os.fsync(file)


def sync_appended(file: int) -> None:
    """Force what was appended to a file to the disk, with its new size; an error is as final."""
    if sys.platform == "darwin":
        sync(file)
    else:
        os.fdatasync(file)


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk."""
    _sync_path(folder, os.O_RDONLY | os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """Force a file to the disk, whoever wrote it."""
    _sync_path(path, os.O_RDONLY)


def _sync_path(path: Path, flags: int) -> None:
    file = os.open(path, flags)
    try:
        sync(file)
    finally:
        os.close(file)


@contextmanager
def _temporary(folder: Path, data: bytes) -> Iterator[Path]:
    """A synced file with the data under a temporary name, removed at the end."""
    path = folder / f"{TEMPORARY}{uuid.uuid4().hex}"
    try:
        write_file(path, data)
        yield path
    finally:
        with suppress(OSError):
            os.unlink(path)


def write_file(path: Path, data: bytes) -> None:
    """Make a synced file under a name that nobody else uses."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        write(file, data)
        sync(file)
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
