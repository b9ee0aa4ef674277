"""What an experiment has cost so far: its budget, as the log counts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from taskgrove.domain.records import FinishChild


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Sums over an experiment's children, accepted or not; tests of published models are not in it.

    Attributes:
        children: Trained, failed ones included.
        failed: Of these; what a child that diverged had used until then counts, too.
        samples: Training images.
        flops: Floating-point operations, validations included; see `layout.training_flops`.
        meters: What their commits say, added by name; informative only. `train_s` are wall-clock
            seconds, `device_s` those that the device was busy; on a CPU, of all cores together.
    """

    children: int = 0
    failed: int = 0
    samples: int = 0
    flops: int = 0
    meters: Mapping[str, float] = field(default_factory=dict)

    @property
    def train_s(self) -> float:
        """Wall-clock seconds of training, added over children."""
        return self.meters.get("train_s", 0.0)

    @property
    def device_s(self) -> float:
        """Seconds that the device was busy with it."""
        return self.meters.get("device_s", 0.0)

    def plus(self, child: FinishChild, meters: Mapping[str, float]) -> Spent:
        """With one more child.

        Args:
            child: As recorded.
            meters: Of its commit.
        """
        outcome = child.failure or child.result
        return Spent(
            children=self.children + 1,
            failed=self.failed + (child.failure is not None),
            samples=self.samples + (outcome.samples if outcome else 0),
            flops=self.flops + (outcome.flops if outcome else 0),
            meters={
                name: self.meters.get(name, 0.0) + meters.get(name, 0.0) for name in {**self.meters, **meters}
            },
        )
