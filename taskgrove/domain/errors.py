"""Every error that Taskgrove raises on purpose.

TaskgroveError
├─ UserError (exit code 2)          the caller must change what they asked for
│  ├─ BadValueError                 a value out of its range, of the wrong type, or contradictory
│  ├─ UnknownNameError              a name that nothing carries; the message lists the known ones
│  ├─ DuplicateNameError            a name that is taken
│  ├─ TaskDataError                 a task's data cannot be read or cannot be learned from
│  ├─ WeightsError                  a weights file that does not fit the model
│  ├─ MissingExtraError             an optional dependency is not installed
│  └─ StorePathError                the path holds no store, or holds something already
├─ EnvironmentFailure (exit code 3)   the machine stands in the way; nothing was half-written
│  ├─ StorageFullError
│  ├─ StorageAccessError
│  └─ UnsafeBackendError            the storage does not honour exclusive creation
└─ StoreError (exit code 4)         what is stored is not what it should be
   ├─ StoreFormatError              written by another format version
   ├─ StoreCorruptError             bytes that do not match their hash, a broken chain, a missing blob
   └─ CommitRefusedError            the commit contradicts the state at the head of the log
      ├─ ClaimLostError             another process has claimed the task since
      └─ BlobsCollectedError        blobs not yet committed were collected as garbage
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class TaskgroveError(Exception):
    """The root of all errors raised on purpose; `kind` is stable and append-only."""

    kind: ClassVar[str] = "taskgrove"
    exit_code: ClassVar[int] = 1


class UserError(TaskgroveError):
    """The caller must change what they asked for."""

    kind: ClassVar[str] = "user"
    exit_code: ClassVar[int] = 2


class BadValueError(UserError, ValueError):
    """A value is out of its range, of the wrong type, or contradicts another."""

    kind: ClassVar[str] = "bad_value"


class UnknownNameError(UserError, ValueError):
    """A name that nothing carries."""

    kind: ClassVar[str] = "unknown_name"

    @classmethod
    def of(cls, what: str, name: str, known: Iterable[str]) -> UnknownNameError:
        """The error for an unknown `name`, with the nearest and all known ones."""
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        listed = ", ".join(names) if names else "none yet"
        return cls(f"There is no {what} named {name!r}.{hint} Known: {listed}.")


class DuplicateNameError(UserError, ValueError):
    """A name that is already taken."""

    kind: ClassVar[str] = "duplicate_name"


class TaskDataError(UserError, ValueError):
    """A task's data cannot be read or cannot be learned from."""

    kind: ClassVar[str] = "task_data"


class WeightsError(UserError, ValueError):
    """A weights file does not fit the model it is loaded into."""

    kind: ClassVar[str] = "weights"


class MissingExtraError(UserError, ImportError):
    """An optional dependency is not installed; the message names the extra."""

    kind: ClassVar[str] = "missing_extra"


class StorePathError(UserError, OSError):
    """The path holds no store, or holds something already."""

    kind: ClassVar[str] = "store_path"


class EnvironmentFailure(TaskgroveError, OSError):
    """The machine stands in the way: disk, permissions, file system."""

    kind: ClassVar[str] = "environment"
    exit_code: ClassVar[int] = 3


class StorageFullError(EnvironmentFailure):
    """No space is left where the store lives."""

    kind: ClassVar[str] = "storage_full"


class StorageAccessError(EnvironmentFailure):
    """The store cannot be read or written with the permissions at hand."""

    kind: ClassVar[str] = "storage_access"


class UnsafeBackendError(EnvironmentFailure):
    """The storage overwrote what it had promised to create exclusively."""

    kind: ClassVar[str] = "unsafe_backend"


class StoreError(TaskgroveError):
    """What is stored is not what it should be."""

    kind: ClassVar[str] = "store"
    exit_code: ClassVar[int] = 4


class StoreFormatError(StoreError):
    """The store was written by another version of the format."""

    kind: ClassVar[str] = "store_format"


class StoreCorruptError(StoreError):
    """Stored bytes do not match their hash, or the log's chain is broken."""

    kind: ClassVar[str] = "store_corrupt"


class CommitRefusedError(StoreError):
    """A commit contradicts the state at the head of the log."""

    kind: ClassVar[str] = "commit_refused"


class ClaimLostError(CommitRefusedError):
    """Another process has claimed the task since; this one must stop working on it."""

    kind: ClassVar[str] = "claim_lost"


class BlobsCollectedError(CommitRefusedError):
    """Blobs that were put and not yet committed have been collected as garbage; put them again."""

    kind: ClassVar[str] = "blobs_collected"
