"""Experiments of a second for tests: the tiny backbone on noisy images that differ in brightness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALL = """
name = "small"
device = "cpu"
root.member = "vit-tiny-test"
agent = { iterations = 1, generations = 1, children = 2 }
train = { cycles = 1, samples_cap = 8, batch_size = 8, val_cap = 8, precision = "fp32", threads = 1 }
[[tasks]]
name = "a"
source = "npz:{folder}/a.npz"
"""

SEGMENTED = (
    SMALL
    + """
[[segments]]
name = "first"
[[segments]]
name = "then"
score = { scale = 0.9 }
[[segments.tasks]]
name = "b"
source = "npz:{folder}/b.npz"
[[segments]]
name = "last"
only = ["b"]
agent = { iterations = 2, generations = 1, children = 1 }
"""
)

VARIED = (
    SMALL
    + """
[[variants]]
name = "µ2Net+"
[[variants]]
name = "muNet (s = 0.3)"
agent = { method = "munet", iterations = 1, generations = 1, children = 1 }
score = { scale = 0.3 }
"""
)


def written(folder: Path, text: str) -> Path:
    """An experiment file with the data it needs beside it."""
    for seed, name in enumerate(("a", "b")):
        rng = np.random.default_rng(seed)
        labels = np.arange(48) % 2
        images = (rng.integers(0, 100, (48, 8, 8)) + 120 * labels[:, None, None]).astype(np.uint8)
        cuts = {"train": slice(0, 24), "val": slice(24, 36), "test": slice(36, 48)}
        arrays: dict[str, NDArray[Any]] = {f"x_{role}": images[cut] for role, cut in cuts.items()}
        arrays |= {f"y_{role}": labels[cut] for role, cut in cuts.items()}
        np.savez(folder / f"{name}.npz", allow_pickle=True, **arrays)
    path = folder / "small.toml"
    path.write_text(text.replace("{folder}", str(folder)), encoding="utf-8")
    return path
