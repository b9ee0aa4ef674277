"""What conflicts between tasks decide: whom to bind to, and which layers to grow (004, §3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random

from taskgrove.agents.base import Equipment
from taskgrove.domain.ids import SlotName, TaskName
from taskgrove.domain.layout import Role
from taskgrove.domain.records import Model

Conflicts = Mapping[SlotName, float]
"""Dissimilarity of each layer of two models, not negative."""


def task_conflict(conflicts: Conflicts) -> float:
    """How much two tasks conflict: the Euclidean norm of their layers' conflicts."""
    return math.sqrt(sum(value**2 for value in conflicts.values()))


def least_first(candidates: Mapping[TaskName, Conflicts]) -> tuple[TaskName, ...]:
    """Tasks by how much they conflict, least first; of equals the one that comes first in `candidates`."""
    return tuple(sorted(candidates, key=lambda task: task_conflict(candidates[task])))


def distribution(conflicts: Conflicts) -> Conflicts:
    """Each layer's share of all conflicts; all 0 when there are none."""
    total = sum(conflicts.values())
    return {slot: value / total if total else 0.0 for slot, value in conflicts.items()}


def nucleus(
    conflicts: Conflicts, delta: float, params: Mapping[SlotName, int] | None = None
) -> tuple[SlotName, ...]:
    """The smallest set of layers, most conflicting first, whose share of all conflicts reaches `delta`.

    At 0 it is empty and at 1 it has every layer, conflicts or not; between, it grows with `delta`. The
    paper asks for more than `delta`, which differs where a share is met exactly.

    Args:
        conflicts: In the order in which data flows, which decides between equals.
        delta: The grow coefficient, in [0, 1].
        params: Of each layer; with them those come first that conflict most per parameter, and more layers
            may be needed. This is ours: the paper counts layers, but weighs parameters against quality.

    Returns:
        Layers in the order of `conflicts`.
    """
    if delta >= 1.0:
        return tuple(conflicts)
    shares, chosen, mass = distribution(conflicts), set[SlotName](), 0.0
    worth = {slot: share / (params[slot] if params else 1) for slot, share in shares.items()}
    for slot in sorted(shares, key=lambda slot: -worth[slot]):
        # Shares add up to 1 up to rounding only.
        if mass >= delta - 1e-12 or shares[slot] == 0.0:
            break
        chosen.add(slot)
        mass += shares[slot]
    return tuple(slot for slot in conflicts if slot in chosen)


def random_nucleus(slots: Sequence[SlotName], rng: Random) -> tuple[SlotName, ...]:
    """Random growth: a number of layers, then which (004, §4, Figure 2)."""
    chosen = set(rng.sample(list(slots), rng.randint(0, len(slots))))
    return tuple(slot for slot in slots if slot in chosen)


def clone_weights(conflicts: Conflicts) -> dict[str, float]:
    """Factors of the probabilities of cloning each layer: in proportion to its conflict, and 1 on average."""
    return {f"clone:{slot}": share * len(conflicts) for slot, share in distribution(conflicts).items()}


def body_of(model: Model, equipment: Equipment) -> tuple[SlotName, ...]:
    """A model's slots but its head, which no conflict chooses: it is new for every task, or shared."""
    hparams = {**equipment.space.defaults(), **model.hparams}
    slots = (equipment.layout.slot(c.slot, hparams, model.num_classes) for c in model.components)
    return tuple(slot.name for slot in slots if slot.role is not Role.HEAD)


def without_head(conflicts: Conflicts, model: Model, equipment: Equipment) -> Conflicts:
    """The conflicts of the layers that they choose among, in the order of the model's slots.

    Records do not keep the order of what they hold, and of equal layers the lower one comes first.
    """
    return {slot: conflicts[slot] for slot in body_of(model, equipment) if slot in conflicts}
