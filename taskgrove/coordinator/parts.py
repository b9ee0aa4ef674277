"""A test in parts of fixed size, so that all workers take part in it and their number changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from taskgrove.domain.jobs import EvaluateJob
from taskgrove.domain.records import Evaluation

PART = 2048
"""Images; a quarter of a second of a small model on one core."""


def in_parts(job: EvaluateJob, num_images: int) -> tuple[EvaluateJob, ...]:
    """Jobs that test a split together.

    Args:
        job: All of it.
        num_images: In the split.
    """
    if num_images <= PART:
        return (job,)
    starts = range(0, num_images, PART)
    return tuple(replace(job, start=start, stop=min(start + PART, num_images)) for start in starts)


def together(parts: Sequence[Evaluation]) -> Evaluation:
    """What the whole split would give: accuracies are counts, so nothing is lost."""
    if len(parts) == 1:
        return parts[0]
    num_samples = sum(part.num_samples for part in parts)
    correct = sum(round(part.accuracy * part.num_samples) for part in parts)
    return replace(parts[0], accuracy=correct / num_samples, num_samples=num_samples)
