"""What a trainer has spent since it was made, as running totals that only grow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from time import perf_counter

import torch

_REPEATS = 4


class Meters:
    """Running totals by name; names tell their units.

    `load_s`, `learn_s`, `validate_s`, `write_s`: seconds by phase. `activations`: images for which the
    activations of frozen layers were wanted and might be remembered, `activations_computed`: those that
    were not, `activations_read`: those that were found on disk. `peak_flops`: what the device could have
    computed in the seconds of `learn_s` and `validate_s`, at the rate of a large matrix product.
    """

    def __init__(self) -> None:
        self._totals: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time until the end as `<name>_s`."""
        start = perf_counter()
        try:
            yield
        finally:
            self.add(f"{name}_s", perf_counter() - start)

    def add(self, name: str, amount: float) -> None:
        """Count something."""
        self._totals[name] += amount

    def count_peak(self, seconds: float, device: torch.device, dtype: torch.dtype) -> None:
        """Count what the device could have computed in some time."""
        self.add("peak_flops", seconds * matmul_rate(device, dtype, torch.get_num_threads()))

    def __getitem__(self, name: str) -> float:
        return self._totals[name]

    def read(self) -> dict[str, float]:
        """All totals now."""
        return dict(self._totals)


@cache
def matmul_rate(device: torch.device, dtype: torch.dtype, threads: int) -> float:  # noqa: ARG001 - a key
    """Floating-point operations per second of a square matrix product: the best of a few, measured once."""
    size = 8192 if device.type == "cuda" else 1024
    matrix = torch.ones(size, size, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(_REPEATS + 1):
        start = perf_counter()
        (matrix @ matrix)[0, 0].item()
        best = min(best, perf_counter() - start)
    return 2 * size**3 / best
