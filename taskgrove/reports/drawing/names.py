"""Names in pictures: plain ones for hyperparameters and kinds of layers, long ones cut."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

_PLAIN: Final = MappingProxyType(
    {
        "num_layers": "number of layers",
        "num_adapters": "number of adapters",
        "arch.adapter_dim": "dimension of adapters",
        "data.area_min": "least area of a crop",
        "data.aspect_min": "least aspect of a crop",
        "data.brightness": "change of brightness",
        "data.contrast": "change of contrast",
        "data.flip": "flip left and right",
        "data.hue": "change of hue",
        "data.quality": "change of image quality",
        "data.resolution": "resolution in pixels",
        "data.saturation": "change of saturation",
        "mu": "µ of the model",
        "opt.lr": "learning rate",
        "opt.momentum": "momentum",
        "opt.nesterov": "Nesterov momentum",
        "opt.schedule": "learning rate schedule",
        "opt.warmup": "warm-up of learning rate",
    }
)
_KINDS: Final = MappingProxyType({"cls": "class token", "pos": "position embedding"})


def plain_name(hyperparameter: str) -> str:
    """What a hyperparameter is; one of another package keeps its own name.

    Example:
        >>> plain_name("opt.lr"), plain_name("mine.depth")
        ('learning rate', 'mine.depth')
    """
    return _PLAIN.get(hyperparameter, hyperparameter)


def plain_kind(kind: str) -> str:
    """What a kind of component is; most say it themselves.

    Example:
        >>> plain_kind("cls"), plain_kind("block")
        ('class token', 'block')
    """
    return _KINDS.get(kind, kind)


def cut_middle(name: str, length: int) -> str:
    """A name of at most so many characters; long ones keep both ends, since names often begin or end alike.

    Example:
        >>> cut_middle("kmnist", 9), cut_middle("cmaterdb_telugu", 9)
        ('kmnist', 'cmat…lugu')
    """
    if len(name) <= length:
        return name
    tail = (length - 1) // 2
    return f"{name[: length - 1 - tail]}…{name[-tail:]}"
