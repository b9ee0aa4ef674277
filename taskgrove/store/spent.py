"""What an experiment has cost so far: its budget, as the log counts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from taskgrove.domain.records import FinishChild


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Sums over an experiment's children, accepted or not; tests of published models are not in it.

    Attributes:
        children: Trained, failed ones included.
        failed: Of these; what a child that diverged had used until then counts, too.
        samples: Training images.
        flops: Floating-point operations, validations included; see `layout.training_flops`.
        train_s: Wall-clock seconds of training, added over children; informative only.
        device_s: Seconds that the device was busy for it, likewise; on a CPU, of all cores together.
    """

    children: int = 0
    failed: int = 0
    samples: int = 0
    flops: int = 0
    train_s: float = 0.0
    device_s: float = 0.0

    def plus(self, child: FinishChild, seconds: Mapping[str, float]) -> Spent:
        """With one more child.

        Args:
            child: As recorded.
            seconds: Of its commit: `train` and `device`, where they are known.
        """
        outcome = child.failure or child.result
        return Spent(
            children=self.children + 1,
            failed=self.failed + (child.failure is not None),
            samples=self.samples + (outcome.samples if outcome else 0),
            flops=self.flops + (outcome.flops if outcome else 0),
            train_s=self.train_s + seconds.get("train", 0.0),
            device_s=self.device_s + seconds.get("device", 0.0),
        )
