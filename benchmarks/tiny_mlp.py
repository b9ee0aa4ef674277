"""A tiny MLP as another package would bring it: a family of its own, found by entry point."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import final

import torch
from torch import Generator, Tensor
from torch.nn import functional

from taskgrove.backbones.base import AbstractFamily, Tensors
from taskgrove.domain.errors import BadValueError, WeightsError
from taskgrove.domain.hparams import Choice, Hparams, Space
from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import AbstractLayout, Role, Slot

MEMBER = "tinymlp-64"
EDGE, HIDDEN = 16, 64
_SLOTS = (SlotName("embedding"), SlotName("block_0"), SlotName("head"))
_ENTRY_POINT = "[taskgrove.families]\ntinymlp = benchmarks.tiny_mlp:FAMILY\n"


@final
@dataclass(frozen=True, slots=True)
class TinyMlpLayout(AbstractLayout):
    """embedding, block_0, head."""

    @property
    def member(self) -> str:
        return MEMBER

    def root_slots(self) -> tuple[SlotName, ...]:
        return _SLOTS

    def slot(self, name: SlotName, hparams: Hparams, num_classes: int) -> Slot:
        outputs, inputs = {
            "embedding": (HIDDEN, 3 * EDGE * EDGE),
            "block_0": (HIDDEN, HIDDEN),
            "head": (num_classes, HIDDEN),
        }[name]
        return Slot(
            name=name,
            kind=name.partition("_")[0],
            shapes={"weight": (outputs, inputs), "bias": (outputs,)},
            flops=2 * outputs * inputs,
            role=Role.HEAD if name == "head" else Role.BODY,
        )

    def insertable_slots(self, present: Sequence[SlotName]) -> tuple[tuple[SlotName, int], ...]:
        return ()

    def check(self, names: Sequence[SlotName]) -> None:
        if tuple(names) != _SLOTS:
            raise BadValueError(f"{list(names)} is not a model of {MEMBER}: it is {list(_SLOTS)}.")


@final
class TinyMlpFamily(AbstractFamily):
    """Two hidden layers on the pixels of small colour images."""

    @property
    def name(self) -> str:
        return "tinymlp"

    @property
    def members(self) -> Sequence[str]:
        return (MEMBER,)

    def layout(self, member: str) -> TinyMlpLayout:
        return TinyMlpLayout()

    def space(self, member: str) -> Space:
        return Space((Choice(name="data.resolution", values=(EDGE,), default=EDGE),))

    def insertion_space(self, member: str) -> Space:
        return Space(())

    def init(self, slot: Slot, generator: Generator) -> dict[str, Tensor]:
        tensors = {name: torch.zeros(shape) for name, shape in slot.shapes.items()}
        if slot.role is not Role.HEAD:
            tensors["weight"].normal_(0.0, slot.shapes["weight"][1] ** -0.5, generator=generator)
        return tensors

    def resize(self, slot: Slot, tensors: Tensors) -> dict[str, Tensor]:
        raise BadValueError(f"{slot.name} cannot be resized.")

    def apply(self, slot: Slot, tensors: Tensors, x: Tensor) -> Tensor:
        y = functional.linear(x.flatten(1), tensors["weight"], tensors["bias"])
        return y if slot.role is Role.HEAD else torch.relu(y)

    def read_weights(self, path: Path, member: str) -> dict[SlotName, dict[str, Tensor]]:
        raise WeightsError(f"{path}: there are no public weights for {member}.")

    def write_weights(self, components: Mapping[SlotName, Tensors], member: str) -> bytes:
        raise WeightsError(f"{member} has no file format.")


FAMILY = TinyMlpFamily()


@contextmanager
def installed() -> Iterator[None]:
    """As if a package with this family were installed."""
    with TemporaryDirectory(prefix="taskgrove-") as folder:
        about = Path(folder) / "tinymlp-0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tinymlp\nVersion: 0\n")
        (about / "entry_points.txt").write_text(_ENTRY_POINT)
        sys.path.append(folder)
        try:
            yield
        finally:
            sys.path.remove(folder)
