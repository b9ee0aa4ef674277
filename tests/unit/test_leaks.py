"""A worker that trains children all day does not grow."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.memory import CLASSES, EDGE, MEMBER, MIB, train_children
from benchmarks.system import make_system, noise
from taskgrove.store.backends import open_backend

CHILDREN = 1_000


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("threads")
def test_memory_does_not_grow_over_a_thousand_children(tmp_path: Path) -> None:
    """The bound is half of one copy of each child's parameters: keeping any child would exceed it."""
    system = make_system(MEMBER, noise(96, EDGE, CLASSES), open_backend(str(tmp_path / "store")))
    seen = train_children(system, torch.device("cpu"), CHILDREN)
    warm, last = seen[len(seen) // 5][1], seen[-1][1]
    copies = 0.8 * CHILDREN * 4 * system.root.num_params / MIB
    assert last - warm < copies / 2
