"""Frames: how records lie one after the other in a file, so that what is unfinished can be told from damage.

A frame is a line with the record's number, its length and two checksums, of the record and of the line
itself; then the record; then the end of a line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

HEAD = 42
"""Bytes of the line before a record."""
_LINE = re.compile(rb"([0-9]{12}) ([0-9]{10}) ([0-9a-f]{8}) ([0-9a-f]{8})\n")
_CHECKED = 32


class Frame(NamedTuple):
    """A record among the bytes of a file.

    Attributes:
        number: Of the commit; guessed where the line before the record is damaged.
        start, end: Of the record's bytes, or of what must be taken for them; where they are damaged, the end
            of the frame is among them, so that nothing that was changed is left out.
        sound: Whether the frame is what was written.
    """

    number: int
    start: int
    end: int
    sound: bool


@dataclass(slots=True)
class Scan:
    """What some bytes of a file hold.

    Attributes:
        frames: In order.
        end: Where the last one ends.
        unfinished: The number of a frame that begins there and does not end; None when nothing follows.
    """

    frames: list[Frame]
    end: int
    unfinished: int | None = None

    @property
    def sound(self) -> bool:
        """Whether all is what was written, and finished."""
        return self.unfinished is None and all(frame.sound for frame in self.frames)


def framed(number: int, data: bytes) -> bytes:
    """The frame of a record."""
    line = b"%012d %010d %08x" % (number, len(data), crc32(data))
    return b"%b %08x\n%b\n" % (line, crc32(line), data)


def scan(data: bytes, before: int | None = None) -> Scan:
    """Find the frames in the bytes from the beginning of one to the end of a file.

    A frame is unfinished if the file ends inside it, or would if it ended before its last zeros: that is what
    a writer leaves who is killed, or whose power fails, while it writes. Everything else is damage.

    Args:
        data: From the beginning of a frame to the end of the file.
        before: Number of the frame before, if there is one.
    """
    found, place, written = Scan([], 0), 0, len(data)
    while place < len(data):
        line = _line(data, place)
        last = before if not found.frames else found.frames[-1].number
        if line is None:
            written = len(data.rstrip(b"\0"))
            if written < place + HEAD:
                found.unfinished = _after(last)
                break
            place = _damaged(data, place, last, found)
            continue
        number, start, end, checksum = line
        if end > len(data):
            found.unfinished = number
            break
        sound = data[end - 1] == 10 and crc32(data[start : end - 1]) == checksum
        if not sound and len(data.rstrip(b"\0")) < end:
            found.unfinished = number
            break
        found.frames.append(Frame(number, start, end - 1 if sound else end, sound))
        place = end
    found.end = place
    return found


def _line(data: bytes, place: int) -> tuple[int, int, int, int] | None:
    """Number, start and end of the record with the end of its line, checksum; None where no line is right."""
    match = _LINE.match(data, place)
    if match is None or crc32(data[place : place + _CHECKED]) != int(match[4], 16):
        return None
    start = place + HEAD
    return int(match[1]), start, start + int(match[2]) + 1, int(match[3], 16)


def _damaged(data: bytes, place: int, last: int | None, found: Scan) -> int:
    """Take what lies up to the next right line for a record; returns where that line begins."""
    lines = (_line(data, match.start()) for match in _LINE.finditer(data, place + 1))
    following = next((line for line in lines if line is not None), None)
    end = len(data) if following is None else following[1] - HEAD
    number = _guessed(data[place : place + 12], last, None if following is None else following[0])
    found.frames.append(Frame(number, place, end, sound=False))
    return end


def _guessed(text: bytes, last: int | None, following: int | None) -> int:
    """The number of a record whose line is damaged: what stands there if a neighbour agrees, or what fits."""
    written = int(text) if text.isdigit() else None
    if written is not None and (written - 1 == last or written + 1 == following):
        return written
    if last is not None:
        return last + 1
    return following - 1 if following else written or 0


def _after(last: int | None) -> int:
    return 0 if last is None else last + 1
