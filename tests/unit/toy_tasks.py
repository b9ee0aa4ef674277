"""A task of no data, for tests that need only its name."""

from __future__ import annotations

from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import TaskSpec


def toy_task(name: TaskName) -> TaskSpec:
    """Two classes, ten training images."""
    return TaskSpec(
        name=name,
        source="toy",
        splits={},
        class_names=("no", "yes"),
        sizes={"train": 10},
        image_shape=(8, 8, 3),
        fingerprint="",
    )
