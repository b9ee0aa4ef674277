"""How fast an experiment's children were trained, from the meters of their commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from taskgrove.reports.quantities import human, percent
from taskgrove.store.spent import Spent

_PHASES = {"load_s": "loading", "learn_s": "steps", "validate_s": "validation", "write_s": "writing"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Rates over an experiment's children; what was not metered is None.

    Attributes:
        images_s: Training images per second of training.
        flops_s: Operations per second of training, as the papers count them: those of remembered
            activations, which were not computed, are in it.
        peak_share: Of what large matrix products would have reached in the same time.
        remembered: Share of the frozen layers' activations that were not computed.
        read: Share of them that was found on disk.
        phases: Share of the training time by phase.
    """

    images_s: float
    flops_s: float
    peak_share: float | None
    remembered: float | None
    read: float | None
    phases: Mapping[str, float]


def speed_of(spent: Spent) -> Speed | None:
    """The speed of an experiment; None when its times are not known."""
    if not spent.train_s:
        return None
    meters = spent.meters
    peak, wanted = meters.get("peak_flops"), meters.get("activations")
    return Speed(
        images_s=spent.samples / spent.train_s,
        flops_s=spent.flops / spent.train_s,
        peak_share=spent.flops / peak if peak else None,
        remembered=1 - meters.get("activations_computed", 0.0) / wanted if wanted else None,
        read=meters.get("activations_read", 0.0) / wanted if wanted else None,
        phases={label: meters[name] / spent.train_s for name, label in _PHASES.items() if name in meters},
    )


def sentence(speed: Speed) -> str:
    """The speed in one line."""
    parts = [f"{human(speed.images_s)} images/s", human(speed.flops_s, "FLOP/s")]
    if speed.peak_share is not None:
        parts[-1] += f" ({percent(speed.peak_share)} % of matrix products' peak)"
    if speed.remembered is not None:
        on_disk = f" ({percent(speed.read)} % read from disk)" if speed.read else ""
        parts.append(f"{percent(speed.remembered)} % of frozen layers' activations remembered{on_disk}")
    if speed.phases:
        shares = ", ".join(f"{label} {percent(share)} %" for label, share in speed.phases.items())
        parts.append(f"time: {shares}")
    return "; ".join(parts)
