"""Exact probabilities of code that draws random numbers: every possible sequence of draws is tried."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence
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
        path: Which branch to take at each draw; the first ones after its end.
        grid: `random()` gives the middles of so many equal parts of [0, 1), each as likely.
    """

    def __init__(self, path: list[int], grid: int) -> None:
        super().__init__(0)
        self.grid = grid
        self.taken = list(path)
        self.widths: list[int] = []

    def random(self) -> float:
        return (self._draw(self.grid) + 0.5) / self.grid

    def choice(self, seq: SupportsLenAndGetItem[T]) -> T:
        return seq[self._draw(len(seq))]

    def shuffle(self, x: MutableSequence[Any]) -> None:
        which = self._draw(factorial(len(x)))
        x[:] = [*permutations(x)][which]

    def _draw(self, width: int) -> int:
        at = len(self.widths)
        self.widths.append(width)
        if at == len(self.taken):
            self.taken.append(0)
        return self.taken[at]


def distribution(experiment: Callable[[Random], T], grid: int) -> dict[T, Fraction]:
    """The probability of every result of `experiment`.

    It is exact when every probability that `random()` is compared with is a multiple of 1 / `grid`.
    """
    found: dict[T, Fraction] = {}
    path: list[int] | None = []
    while path is not None:
        branch = Branch(path, grid)
        result = experiment(branch)
        chance = Fraction(1)
        for width in branch.widths:
            chance /= width
        found[result] = found.get(result, Fraction(0)) + chance
        path = _next(branch.taken, branch.widths)
    return found


def _next(taken: list[int], widths: list[int]) -> list[int] | None:
    """The path after one that was tried; None after the last."""
    for at in reversed(range(len(taken))):
        if taken[at] + 1 < widths[at]:
            return [*taken[:at], taken[at] + 1]
    return None
