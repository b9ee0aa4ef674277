"""Whether variants differ by more than their seeds do: paired differences with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Final

from taskgrove.domain.errors import UnknownNameError
from taskgrove.reports.analyses.comparison import Comparison

LEAST_SEEDS: Final = 3
_LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Mean test accuracy of a variant less that of the reference, run by run of equal seed.

    Attributes:
        variant: Its label.
        seeds: That both have finished.
        mean: Over seeds, of accuracies in [0, 1].
        half: Half the width of its 95 % interval (Student's t, one degree of freedom less than seeds).
    """

    variant: str
    seeds: tuple[int, ...]
    mean: float
    half: float

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.mean + self.half

    @property
    def told_apart(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def best_of(comparison: Comparison) -> str | None:
    """The variant of the highest mean test accuracy among those with at least 3 seeds, if there is one."""
    means = {
        name: fmean(own.values())
        for name in comparison.variants
        if _enough(own := _by_seed(comparison, name))
    }
    return max(means, key=lambda name: means[name], default=None)


def differences(comparison: Comparison, reference: str) -> tuple[Difference, ...]:
    """Every other variant that has at least 3 seeds in common with the reference, in the file's order.

    Raises:
        UnknownNameError: No variant is called that.
    """
    if reference not in comparison.variants:
        raise UnknownNameError.of("variant", reference, comparison.variants)
    base, found = _by_seed(comparison, reference), list[Difference]()
    for name in comparison.variants:
        own = _by_seed(comparison, name)
        paired = {seed: value - base[seed] for seed, value in own.items() if seed in base}
        if name != reference and _enough(paired):
            found.append(_difference(name, paired))
    return tuple(found)


def _difference(variant: str, paired: Mapping[int, float]) -> Difference:
    values = list(paired.values())
    half = student(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Difference(variant=variant, seeds=tuple(paired), mean=fmean(values), half=half)


def _by_seed(comparison: Comparison, variant: str) -> dict[int, float]:
    accuracies = {outcome.seed: outcome.test_accuracy for outcome in comparison.of(variant)}
    return {seed: value for seed, value in accuracies.items() if value is not None}


def _enough(values: Mapping[int, float]) -> bool:
    return len(values) >= LEAST_SEEDS


def student(freedom: int) -> float:
    """What Student's t exceeds in absolute value with a probability of 5 %.

    Args:
        freedom: Degrees of freedom, at least 1.

    Example:
        >>> round(student(2), 3), round(student(9), 3)
        (4.303, 2.262)
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _inside(middle, freedom) < _LEVEL else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def _inside(angle: float, freedom: int) -> float:
    """Probability of |t| < √freedom tan(angle): the series of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    term = total = 0.0 if freedom == 1 else cosine if odd else 1.0
    for n in range(2 + odd, freedom - 1, 2):
        term *= cosine**2 * (n - 1) / n
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
