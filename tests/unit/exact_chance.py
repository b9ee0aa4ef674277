"""Exact probabilities of code that draws random numbers: every possible sequence of draws is tried."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence
from fractions import Fraction
from itertools import permutations
from math import factorial
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar, final

if TYPE_CHECKING:
    from _typeshed import SupportsLenAndGetItem

T = TypeVar("T")


@final
class Branch(Random):
    """Random numbers that follow one path through the tree of all draws.

    Args:
        path: Which branch to take at each draw; the first possible ones after its end.
        grid: `random()` gives the middles of so many equal parts of [0, 1), each as likely; None for
            a number that is only known by what it is compared with.
    """

    def __init__(self, path: list[int], grid: int | None) -> None:
        super().__init__(0)
        self.grid = grid
        self.taken = list(path)
        self.widths: list[int] = []
        self.chance = Fraction(1)

    def random(self) -> float:
        if self.grid is not None:
            return (self.draw(_alike(self.grid)) + 0.5) / self.grid
        number = Uniform()
        number.branch = self
        return number

    def choice(self, seq: SupportsLenAndGetItem[T]) -> T:
        return seq[self.draw(_alike(len(seq)))]

    def shuffle(self, x: MutableSequence[Any]) -> None:
        which = self.draw(_alike(factorial(len(x))))
        x[:] = [*permutations(x)][which]

    def draw(self, chances: Sequence[Fraction]) -> int:
        """The index that the path says, where each has a chance."""
        at = len(self.widths)
        self.widths.append(len(chances))
        if at == len(self.taken):
            self.taken.append(0)
        self.chance *= chances[self.taken[at]]
        return self.taken[at]


@final
class Uniform(float):
    """A number in [0, 1) of which is known between which bounds it lies; comparing it halves the path.

    A bound means the decimal number that is written, so that 0.1 is a tenth.
    """

    branch: Branch
    low, high = Fraction(0), Fraction(1)

    def __lt__(self, bound: float, /) -> bool:
        at = min(max(Fraction(str(bound)), self.low), self.high)
        below = (at - self.low) / (self.high - self.low)
        if below in (0, 1):
            return below == 1
        if self.branch.draw((below, 1 - below)) == 0:
            self.high = at
            return True
        self.low = at
        return False

    def __gt__(self, bound: float, /) -> bool:
        return not self < bound

    __le__, __ge__ = __lt__, __gt__


def distribution(experiment: Callable[[Random], T], grid: int | None = None) -> dict[T, Fraction]:
    """The probability of every result of `experiment`.

    With a grid it is exact when every probability that `random()` is compared with is a multiple of
    1 / `grid`; without one it is for any, but `random()` may then only be compared.
    """
    found: dict[T, Fraction] = {}
    path: list[int] | None = []
    while path is not None:
        branch = Branch(path, grid)
        result = experiment(branch)
        found[result] = found.get(result, Fraction(0)) + branch.chance
        path = _next(branch.taken, branch.widths)
    return found


def _alike(width: int) -> list[Fraction]:
    return [Fraction(1, width)] * width


def _next(taken: list[int], widths: list[int]) -> list[int] | None:
    """The path after one that was tried; None after the last."""
    for at in reversed(range(len(taken))):
        if taken[at] + 1 < widths[at]:
            return [*taken[:at], taken[at] + 1]
    return None
