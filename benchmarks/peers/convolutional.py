"""The convolutional network of the peer, as PyTorch's tutorials write it: images in the usual order."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import nn


def convolutional_network(settings: dict[str, Any]) -> tuple[str, nn.Module]:
    """A model and its name.

    Args:
        settings: `channels` of the first convolution, `width` of the dense layers, `resolution`,
            `num_classes`.
    """
    channels = [3, *(settings["channels"] << i for i in range(3))]
    layers: list[nn.Module] = []
    for below, above in pairwise(channels):
        layers += [nn.Conv2d(below, above, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    grid, width = channels[-1] * (settings["resolution"] // 8) ** 2, settings["width"]
    layers += [nn.Flatten(), nn.Linear(grid, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return "plain PyTorch modules", nn.Sequential(*layers, nn.Linear(width, settings["num_classes"]))
