"""The published models of a system as a tree of layers: what several models begin with is there once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from taskgrove.backbones.base import AbstractFamily, Tensors
from taskgrove.backbones.families import family_of
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import ComponentId
from taskgrove.domain.records import Model
from taskgrove.tasks.preprocess import RESOLUTION

Key = tuple[str, ComponentId]
"""What a layer computes, and with which component: what tells it from others with the same input."""


@dataclass(eq=False, kw_only=True)
class Node:
    """A component in a place where it reads what the layers below it make of an image.

    Attributes:
        number: Unique in the tree.
        apply: From the component's tensors and the layer's input to its output.
        component: With which tensors.
        above: The layers that read it, by what tells them apart.
        is_answer: Whether it makes the logits of a model.
    """

    number: int
    apply: Callable[[Tensors, Tensor], Tensor]
    component: ComponentId
    above: dict[Key, Node] = field(default_factory=dict)
    is_answer: bool = False

    @property
    def is_asked_again(self) -> bool:
        """Whether what it makes may be wanted once more for the same image: a fork, or an answer."""
        return self.is_answer or len(self.above) > 1


@dataclass(eq=False, kw_only=True)
class Trunk:
    """What all models of one backbone and resolution have in common.

    Attributes:
        family: Gives the layers.
        hparams: Of preparing images.
        above: The lowest layers, by what tells them apart.
    """

    family: AbstractFamily
    hparams: Mapping[str, HparamValue]
    above: dict[Key, Node] = field(default_factory=dict)


class Tree:
    """The layers of some models.

    Args:
        models: Published ones.

    Raises:
        UnknownNameError: No installed family has the backbone of one.
    """

    def __init__(self, models: Iterable[Model]) -> None:
        self._trunks: dict[object, Trunk] = {}
        self._num_nodes = 0
        self.ways = {model.id: self._added(model) for model in models}
        """The trunk of each model and its layers, lowest first."""

    def _added(self, model: Model) -> tuple[Trunk, tuple[Node, ...]]:
        trunk = self._trunk(model)
        layout = trunk.family.layout(model.member)
        slots = [layout.slot(c.slot, model.hparams, model.num_classes) for c in model.components]
        reached, way = trunk.above, []
        for layer, component in zip(trunk.family.chain(slots), model.components, strict=True):
            key = (layer.label, component.id)
            if key not in reached:
                reached[key] = Node(number=self._num_nodes, apply=layer.apply, component=component.id)
                self._num_nodes += 1
            way.append(reached[key])
            reached = reached[key].above
        way[-1].is_answer = True
        return trunk, tuple(way)

    def _trunk(self, model: Model) -> Trunk:
        resolution = model.hparams[RESOLUTION]
        key = (model.member, resolution)
        if key not in self._trunks:
            self._trunks[key] = Trunk(family=family_of(model.member), hparams={RESOLUTION: resolution})
        return self._trunks[key]
