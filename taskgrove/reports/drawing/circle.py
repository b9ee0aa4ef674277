"""Nodes around a circle: those that are tied stand together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def order_around(ties: Floats) -> list[int]:
    """An order of nodes in which strong ties are short: groups are joined, the most tied two first.

    Deterministic; of equally tied groups the earlier ones are joined.

    Args:
        ties: (N, N) not negative, how much each two nodes have to do with each other; the diagonal does
            not matter, nor which of both directions it is.
    """
    between = ties + ties.T
    np.fill_diagonal(between, -1.0)
    means = between.copy()
    groups = [[index] for index in range(len(ties))]
    for _ in range(len(ties) - 1):
        one, other = sorted(map(int, np.unravel_index(int(means.argmax()), means.shape)))
        sizes = len(groups[one]), len(groups[other])
        means[one] = means[:, one] = (sizes[0] * means[one] + sizes[1] * means[other]) / sum(sizes)
        means[other] = means[:, other] = means[one, one] = -1.0
        groups[one] = _joined(between, groups[one], groups[other])
    return groups[0] if groups else []


def _joined(between: Floats, one: list[int], other: list[int]) -> list[int]:
    """Both one after the other, turned so that the ends that meet are tied most."""
    turned = [(a, b) for a in (one, one[::-1]) for b in (other, other[::-1])]
    first, second = max(turned, key=lambda pair: float(between[pair[0][-1], pair[1][0]]))
    return first + second
