"""Fine-tuning of the top layers (muNet, Gesmundo & Dean, 2022a, §3.1), a baseline between two others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from taskgrove.agents.base import Equipment
from taskgrove.agents.effort import Effort
from taskgrove.agents.generations import AbstractGenerational, Turn
from taskgrove.agents.replicas import REPLICAS, check_replicas, replica, replicated, root_of
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import SlotName
from taskgrove.domain.records import Model
from taskgrove.mutations.mu import Sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneTopOptions:
    """Settings of fine-tuning the top layers.

    Attributes:
        frozen: Layers that stay frozen and shared, counted from below; 0 freezes only what lies
            before the first one (for a ViT the embeddings).
        replicas: As of `fine_tune`.
    """

    frozen: int = 1
    replicas: int = REPLICAS

    def __post_init__(self) -> None:
        check_replicas(self.replicas)
        if self.frozen < 0:
            raise BadValueError(f"agent.frozen is a number of layers, 0 or more, got {self.frozen}.")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneTop(AbstractGenerational):
    """Trains a copy of the root's upper layers with norm and head; the lower ones are shared."""

    name = "fine_tune_top"
    summary = "baseline: a copy of the root's top layers, those below frozen and shared"
    options_type = FineTuneTopOptions
    score_form = "quality"

    equipment: Equipment
    options: FineTuneTopOptions = field(default_factory=FineTuneTopOptions)

    def effort(self) -> Effort:
        self._trained()  # more frozen layers than there are is refused before the first child
        return replicated(self.equipment, self.options.replicas)

    def parent(self, turn: Turn) -> Model:
        return root_of(turn)

    def child(self, turn: Turn, parent: Model) -> Sampled:
        return replica(turn, parent, self.equipment, trained=self._trained())

    def _trained(self) -> tuple[SlotName, ...]:
        """The root's slots that are trained; a layer is what the removal mutation could take."""
        layout, hparams, frozen = self.equipment.layout, self.equipment.space.defaults(), self.options.frozen
        names = layout.root_slots()
        layers = [i for i, name in enumerate(names) if layout.slot(name, hparams, 1).removable]
        if frozen > len(layers) or not layers:
            raise BadValueError(
                f"agent.frozen = {frozen}, but {layout.member} has {len(layers)} layers to count. Choose at "
                "most as many as there are, or another agent: fine_tune, multi_head."
            )
        return names[layers[frozen - 1] + 1 if frozen else layers[0] :]
