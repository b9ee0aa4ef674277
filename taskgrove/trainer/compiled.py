"""Layers compiled by PyTorch, once per kind, shapes and dtypes, for all children that have such a layer."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.util import find_spec
from types import FunctionType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from taskgrove.backbones.base import Layer, Tensors
from taskgrove.domain.errors import BadValueError, EnvironmentFailure
from taskgrove.tasks.cache import machine_folder
from taskgrove.trainer.chain import Chain

GRAPHS = "graphs"
"""The setting that also replays a layer's kernels as one CUDA graph."""
FOLDER_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
"""PyTorch's own, for where it keeps what it has compiled; the machine's cache when it is not set."""

Compiled = Callable[[tuple[Tensor, ...], Tensor], Tensor]
_ON_CPU: dict[str, str | int | bool | Callable[..., Any]] = {"pattern_matcher": False}
"""It would take the fused attention for products that are faster at few tokens; see the layers of ViTs."""


class Traits(NamedTuple):
    """What of a tensor a compiled layer depends on."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    differentiable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """All that decides what a layer compiles to; hyperparameters and values are not among it.

    Attributes:
        family, label: What it computes; see `Layer.label`.
        names, tensors: Of the slot.
        x: Of the input.
        threads: The compiler makes loops for so many.
        graphs: Whether it is replayed as a CUDA graph.
        apply: Of any layer of the kind.
    """

    family: str
    label: str
    names: tuple[str, ...]
    tensors: tuple[Traits, ...]
    x: Traits
    threads: int
    graphs: bool
    apply: Callable[[Tensors, Tensor], Tensor] = field(compare=False)


def compiled(chain: Chain, family: str, how: bool | str) -> Chain:
    """A chain whose layers are compiled at their first use in this process.

    Equal to the chain up to rounding: sums and products of one layer are taken together.

    Args:
        chain: Its layers must not break up into several graphs.
        family: Of the backbone.
        how: False for the chain as it is, True, or `graphs`.

    Raises:
        EnvironmentFailure: This machine has no compiler; see `check_compiler`.
    """
    if not how or not chain:
        return chain
    device = next(tensor.device for _, tensors in chain for tensor in tensors.values())
    check_compiler(device, how)
    return [
        (Layer(layer.label, partial(_apply, family, layer, how == GRAPHS), layer.own), tensors)
        for layer, tensors in chain
    ]


def begin_step(how: bool | str) -> None:
    """Say that nobody reads what the step before has computed, so that its memory is used again."""
    if how == GRAPHS:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]


def check_compiler(device: torch.device, how: bool | str) -> None:
    """Refuse to compile where it cannot be done.

    Args:
        device: Where the layers compute.
        how: See `compiled`.

    Raises:
        EnvironmentFailure: There is no compiler for the device.
        BadValueError: CUDA graphs are asked for, and the device is no GPU.
    """
    if not how:
        return
    if how == GRAPHS and device.type != "cuda":
        raise BadValueError(
            f'train.compile = "graphs" makes CUDA graphs, but the device is {device}. Choose true, or a GPU.'
        )
    if device.type == "cuda" and find_spec("triton") is None:
        raise EnvironmentFailure(
            "train.compile needs the package triton to compile for a GPU, and it is not installed. Install "
            "it, or leave train.compile out."
        )
    language, variable, usual = _compiler(device)
    name = os.environ.get(variable) or usual
    if shutil.which(name) is None:
        raise EnvironmentFailure(
            f"train.compile needs a {language} compiler, and there is no program {name!r} on the path. "
            f"Install one (Debian: apt-get install g++), name another one in {variable}, or leave "
            "train.compile out."
        )


def _compiler(device: torch.device) -> tuple[str, str, str]:
    """The language that PyTorch compiles, the variable that names the program, and which it is by default."""
    if device.type == "cuda":  # Triton compiles small launchers of its kernels
        return "C", "CC", "gcc" if shutil.which("gcc") else "clang"
    return "C++", "CXX", "clang++" if sys.platform == "darwin" else "g++"


def _apply(family: str, layer: Layer, graphs: bool, tensors: Tensors, x: Tensor) -> Tensor:
    # Frozen tensors are parameters of a network; as such the compiler would bind them to the one at hand.
    values = tuple(tensor if tensor.requires_grad else tensor.detach() for tensor in tensors.values())
    kind = _Kind(
        family=family,
        label=layer.label,
        names=tuple(tensors),
        tensors=tuple(map(_traits, values)),
        x=_traits(x),
        threads=torch.get_num_threads(),
        graphs=graphs,
        apply=layer.apply,
    )
    return _function(kind)(values, x)


def _traits(tensor: Tensor) -> Traits:
    return Traits(tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device, tensor.requires_grad)


@cache
def _function(kind: _Kind) -> Compiled:
    """The compiled layer of a kind; the compiler itself runs at the first call."""
    _keep_what_is_compiled()
    apply, names = kind.apply, kind.names

    def layer(values: tuple[Tensor, ...], x: Tensor) -> Tensor:
        return apply(dict(zip(names, values, strict=True)), x)

    # PyTorch counts what was compiled per code object and stops at a few; each kind has its own.
    code = layer.__code__.replace(co_name=kind.label.replace(" ", "_"))
    own: Any = FunctionType(code, layer.__globals__, code.co_name, None, layer.__closure__)
    mode = "reduce-overhead" if kind.graphs else None
    options = _ON_CPU if kind.x.device.type == "cpu" else None
    return _told(kind, torch.compile(own, fullgraph=True, dynamic=False, mode=mode, options=options))


def _told(kind: _Kind, function: Compiled) -> Compiled:
    """The function, whose compiler's failure is the machine's and not a child's."""
    # Imported here, since PyTorch's compiler takes two seconds.
    from torch._dynamo.exc import TorchDynamoException

    def call(values: tuple[Tensor, ...], x: Tensor) -> Tensor:
        try:
            return function(values, x)
        except TorchDynamoException as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise EnvironmentFailure(
                f"PyTorch could not compile {kind.label!r} of {kind.family}: {' '.join(lines[:2])}. Probably "
                "the compiler is of another version than it expects. Leave train.compile out."
            ) from error

    return call


@cache
def _keep_what_is_compiled() -> None:
    """Have PyTorch keep kernels in the machine's cache, so that other processes need not compile them."""
    folder = machine_folder() / "compiled"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault(FOLDER_VARIABLE, str(folder))
