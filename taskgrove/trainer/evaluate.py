"""Accuracy of a network, without autograd."""

from __future__ import annotations

import torch
from torch import Tensor

from taskgrove.backbones.assemble import Network
from taskgrove.domain.hparams import Hparams
from taskgrove.tasks.preprocess import RESOLUTION, eval_batch
from taskgrove.trainer.prefix.layers import FrozenLayers
from taskgrove.trainer.streamed import DeviceImages

EVAL_BATCH, EVAL_PIXELS = 1024, 1024 * 96**2
"""Images computed at once, and their prepared pixels, at most."""
_CHUNKS = 4
"""Chunks of remembered activations that are asked for at once."""


def num_correct(
    network: Network, images_NHWC: DeviceImages, labels_N: Tensor, hparams: Hparams, dtype: torch.dtype
) -> int | None:
    """How many images are classified correctly; None when a logit is not finite.

    Args:
        network: Its parameters may be of a wider dtype than `dtype`.
        images_NHWC: uint8.
        labels_N: int64, on the images' device.
        hparams: `data.resolution`.
        dtype: In which it computes.
    """
    correct, at_once = 0, images_at_once(hparams)
    with torch.inference_mode():
        for start in range(0, len(labels_N), at_once):
            chunk = slice(start, start + at_once)
            logits = network(eval_batch(images_NHWC[chunk], hparams, dtype))
            if not bool(torch.isfinite(logits).all()):
                return None
            correct += int((logits.argmax(dim=1) == labels_N[chunk]).sum())
    return correct


def num_correct_above(
    frozen: FrozenLayers, labels_N: Tensor, keep: int, part: range | None = None
) -> int | None:
    """As `num_correct`, of a whole model whose lower layers may be remembered.

    Args:
        frozen: All layers of the model, over the images.
        labels_N: int64, on the images' device.
        keep: So many of the lowest layers are worth remembering.
        part: Of the images, without gaps; all by default.
    """
    correct, part = 0, range(len(labels_N)) if part is None else part
    for index in torch.split(torch.arange(part.start, part.stop), _CHUNKS * frozen.prefix.chunk):
        logits = frozen.outputs(index, keep)
        if not bool(torch.isfinite(logits).all()):
            return None
        correct += int((logits.argmax(dim=1) == labels_N[index[0] : index[-1] + 1]).sum())
    return correct


def images_at_once(hparams: Hparams) -> int:
    """Images that are computed at once, without autograd; fewer when they are large."""
    return max(1, min(EVAL_BATCH, EVAL_PIXELS // int(hparams[RESOLUTION]) ** 2))
