"""A file of records, read without a lock: as far as was read before, and on from there when it has grown."""

from __future__ import annotations

import os
from collections.abc import Iterator

from taskgrove.store.disk.durable import ABSENT
from taskgrove.store.disk.frames import Frame, scan


class Reading:
    """What is known of a file.

    Args:
        path: Of the file; it need not exist yet.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._forget()

    def _forget(self) -> None:
        self._identity = (0, 0)
        self._places: dict[int, Frame] = {}
        self._last: int | None = None
        self._fresh, self._fresh_from = b"", 0
        self.end = 0
        """Where the last whole frame ends."""
        self.size_bytes = 0
        """Of the file; what lies between is unfinished."""
        self.mtime = 0.0
        self._unfinished: int | None = None

    def __contains__(self, number: int) -> bool:
        return number in self._places

    def get(self, number: int) -> bytes | None:
        """The bytes of a record, damaged or not; None when there is none."""
        frame = self._places.get(number)
        if frame is None:
            return None
        start = frame.start - self._fresh_from
        if start >= 0 and frame.end - self._fresh_from <= len(self._fresh):
            return self._fresh[start : frame.end - self._fresh_from]
        file = os.open(self.path, os.O_RDONLY)
        try:
            if self._recognises(os.fstat(file)):
                return _read(file, frame.start, frame.end)
        finally:
            os.close(file)
        self.follow()  # it was replaced just now
        return self.get(number)

    def sizes(self) -> Iterator[tuple[int, int]]:
        """All records by number, each with its size in bytes."""
        return ((number, frame.end - frame.start) for number, frame in sorted(self._places.items()))

    def size(self, number: int) -> int | None:
        """Of one record, in bytes."""
        frame = self._places.get(number)
        return None if frame is None else frame.end - frame.start

    def unfinished(self) -> str | None:
        """What lies after the last whole frame, in words."""
        if self._unfinished is None:
            return None
        there = self.size_bytes - self.end
        return (
            f"{self.path} ends inside record {self._unfinished}, after {there} bytes of it. Either its "
            "writer was killed there, before anybody was told that the commit is done, and the next one "
            "removes them; or the file was cut off."
        )

    def add(self, number: int, size: int, framed: int) -> None:
        """Take note of a record that has just been appended.

        Args:
            number: Of the record.
            size: Of the record, in bytes.
            framed: Size of its frame, in bytes.
        """
        self.end += framed
        self._places[number] = Frame(number, self.end - 1 - size, self.end - 1, True)
        self.size_bytes, self._last, self._unfinished = self.end, number, None

    def follow(self) -> None:
        """Read on, if there is more; a file that was replaced is read anew."""
        try:
            status = os.stat(self.path)
            if self._recognises(status) and status.st_size == self.end == self.size_bytes:
                return
            file = os.open(self.path, os.O_RDONLY)
        except ABSENT:
            self._forget()
            return
        try:
            self._follow(file)
        finally:
            os.close(file)

    def _recognises(self, status: os.stat_result) -> bool:
        return (status.st_dev, status.st_ino) == self._identity and status.st_size >= self.end

    def _follow(self, file: int) -> None:
        status = os.fstat(file)
        if not self._recognises(status):
            self._forget()
            self._identity = status.st_dev, status.st_ino
        self.mtime = status.st_mtime
        data = _read(file, self.end)
        found = scan(data, self._last)
        while not found.sound and (again := _read(file, self.end)) != data:
            data = again  # it was being written
            found = scan(data, self._last)
        for frame in found.frames:
            self._place(frame._replace(start=self.end + frame.start, end=self.end + frame.end))
        self._fresh, self._fresh_from = data, self.end
        self.size_bytes, self.end = self.end + len(data), self.end + found.end
        self._unfinished = found.unfinished

    def _place(self, frame: Frame) -> None:
        there = self._places.get(frame.number)
        if there is None or (frame.sound and not there.sound):  # a number that was guessed gives way
            self._places[frame.number] = frame
        self._last = frame.number


def _read(file: int, start: int, end: int | None = None) -> bytes:
    """The bytes of a file from one place to another, or to its end."""
    if end is None:
        end = os.fstat(file).st_size
    parts = []
    while start < end:
        part = os.pread(file, end - start, start)
        if not part:
            break
        parts.append(part)
        start += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
