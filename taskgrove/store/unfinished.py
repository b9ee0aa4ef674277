"""The note that lies in a place while a mirror is written to it: what is there is not yet the whole."""

from __future__ import annotations

import msgspec

from taskgrove.domain.errors import StorePathError
from taskgrove.store.base import AbstractBackend

UNFINISHED = "mirror.json"


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """What is being written.

    Attributes:
        uuid: Of the system that is copied.
        first, last: Numbers of the records that become visible together, when record `first` arrives last of
            them; until then those after it lie there unseen, and the log ends before `first`.
    """

    uuid: str
    first: int
    last: int


def read_unfinished(backend: AbstractBackend) -> Unfinished | None:
    """The note, or None when no mirror is being written or was interrupted.

    Raises:
        StorePathError: There is something else under its key.
    """
    data = backend.get(UNFINISHED)
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=Unfinished)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StorePathError(
            f"{UNFINISHED} of {backend} cannot be read ({error}). If a mirror was interrupted there, delete "
            "that object and give the same `taskgrove mirror` again."
        ) from error


def hidden(backend: AbstractBackend, head: int, last: int) -> bool:
    """Whether the records up to `last`, beyond a gap after `head`, are those of an interrupted mirror."""
    note = read_unfinished(backend)
    return note is not None and note.first == head + 1 and last <= note.last
