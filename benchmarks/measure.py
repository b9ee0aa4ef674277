"""Fair timing: variants take turns, the first turn of each is forgotten, medians are compared."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TypeVar
from unittest.mock import patch

import torch

from taskgrove.experiment.build import build_device
from taskgrove.version import __version__

Variant = TypeVar("Variant")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def parser(doc: str | None) -> argparse.ArgumentParser:
    """What every benchmark of speed asks: where to compute, how often, where to write."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--out", type=Path, required=True, help="without suffix")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    made.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of a process")
    made.add_argument("--repetitions", type=int, default=5, help="turns of each variant")
    return made


def settle(arguments: argparse.Namespace) -> torch.device:
    """The device, with the process's threads set."""
    torch.set_num_threads(arguments.threads)
    return build_device(arguments.device)


def interleaved(
    variants: Mapping[Variant, Callable[[], float]], repetitions: int, *, warm_up: int = 1
) -> dict[Variant, tuple[float, ...]]:
    """What each variant gives, in turns, so that a slow minute of the machine falls upon all.

    Args:
        variants: Each does its work once and answers with its seconds.
        repetitions: Turns that count.
        warm_up: Turns before them, for caches and compilers.
    """
    found: dict[Variant, list[float]] = {name: [] for name in variants}
    for turn in range(warm_up + repetitions):
        for name, run in variants.items():
            seconds = run()
            if turn >= warm_up:
                found[name].append(seconds)
    return {name: tuple(seconds) for name, seconds in found.items()}


@contextmanager
def no_syncs() -> Iterator[None]:
    """Leave what is written to the system, and do not wait for the disk."""
    with patch.multiple(os, fsync=lambda _: None, fdatasync=lambda _: None):
        yield


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds until the work is done, the device's part of it too."""
    synchronise(device)
    start = perf_counter()
    work()
    synchronise(device)
    return perf_counter() - start


def synchronise(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def spread_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Median and range in milliseconds."""
    return {"ms": 1e3 * median(seconds), "low": 1e3 * min(seconds), "high": 1e3 * max(seconds)}


def machine(device: torch.device, threads: int) -> dict[str, str | float]:
    """What was measured on, with the rate of large matrix products as its yardstick."""
    rates = {name: product_rate(device, dtype) / 1e9 for name, dtype in DTYPES.items()}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": processor(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "cores": float(os.cpu_count() or 1),
        "threads": float(threads),
        "matrix products, GFLOP/s": ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items()),
        "versions": f"Taskgrove {__version__}, torch {torch.__version__}, Python {platform.python_version()}",
        "load of the machine before": _load(),
    }


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations per second of large square matrix products, the best of a few."""
    size = 8192 if device.type == "cuda" else 1024
    matrix = torch.ones(size, size, device=device, dtype=dtype)
    timed(lambda: matrix @ matrix, device)
    return 2 * size**3 / min(timed(lambda: matrix @ matrix, device) for _ in range(5))


def processor() -> str:
    """The CPU's name where the system tells it, else its architecture."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _load() -> str:
    """Processes that wanted a core in the last minute: a benchmark should have the machine alone."""
    try:
        return f"{os.getloadavg()[0]:.1f}"
    except OSError:
        return "unknown"
