"""The grammar of split expressions, read without any data; what it means is told in `tasks.splits`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import final

from taskgrove.domain.errors import TaskDataError

_PART = re.compile(r"\s*([\w.-]+)\s*((?:\[[^\[\]]*\]\s*)*)")
_BOUND = r"(-?\d+(?:\.\d+)?%|-?\d+)?"
_SLICE = re.compile(rf"\s*(stratified\b)?\s*{_BOUND}\s*:\s*{_BOUND}\s*")
_COLUMN = re.compile(r"\s*(\w+)\s*=\s*(-?\d+)(?:\s*\.\.\s*(-?\d+))?\s*")
_EXAMPLES = "'train', 'train[5%:]', 'train[:800]', 'all[drawer=1..16]', 'train[stratified :10%]' or 'a+b'"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """`[start:stop]`.

    Attributes:
        start, stop: As written, e.g. `5%` or `-100`; None where left out.
        stratified: Whether it cuts the shuffle in which every class is spread evenly.
    """

    start: str | None
    stop: str | None
    stratified: bool

    def within(self, size: int) -> slice:
        """The slice of so many images."""
        return slice(_position(self.start, size, 0), _position(self.stop, size, size))

    def farthest(self) -> int:
        """The largest number of images that a bound counts off; percentages count none."""
        bounds = (bound for bound in (self.start, self.stop) if bound is not None)
        return max((abs(int(bound)) for bound in bounds if not bound.endswith("%")), default=0)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """`[column=low..high]`, both included."""

    column: str
    low: int
    high: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A split of a source with its brackets, each of which cuts what the one before it left."""

    split: str
    brackets: tuple[Slice | Where, ...]


def parse(expression: str) -> tuple[Part, ...]:
    """The parts that are joined by `+`.

    Raises:
        TaskDataError: The expression cannot be read, or a boundary is beyond 100 percent.

    Example:
        >>> parse("train[:800]")[0].brackets[0].within(500)
        slice(0, 500, None)
    """
    return tuple(_part(text, expression) for text in expression.split("+"))


def _part(text: str, expression: str) -> Part:
    match = _PART.fullmatch(text)
    if match is None:
        raise TaskDataError(f"The split {expression!r} cannot be read at {text!r}; write {_EXAMPLES}.")
    inside = re.findall(r"\[([^\[\]]*)\]", match[2])
    return Part(split=match[1], brackets=tuple(_bracket(each, expression) for each in inside))


def _bracket(text: str, expression: str) -> Slice | Where:
    if match := _COLUMN.fullmatch(text):
        name, low, high = match.groups()
        return Where(column=name, low=int(low), high=int(high or low))
    if match := _SLICE.fullmatch(text):
        stratified, start, stop = match.groups()
        for bound in (start, stop):
            _refuse_beyond(bound)
        return Slice(start=start, stop=stop, stratified=stratified is not None)
    raise TaskDataError(f"The split {expression!r} cannot be read at '[{text}]'; write {_EXAMPLES}.")


def _refuse_beyond(bound: str | None) -> None:
    if bound is not None and bound.endswith("%") and abs(float(bound[:-1])) > 100:
        raise TaskDataError(f"The boundary {bound} is beyond 100 percent.")


def _position(bound: str | None, size: int, default: int) -> int:
    if bound is None:
        return default
    position = round(float(bound[:-1]) * size / 100) if bound.endswith("%") else int(bound)
    return max(position + size, 0) if bound.startswith("-") else min(position, size)
