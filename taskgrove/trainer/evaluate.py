"""Accuracy of a network, without autograd."""

from __future__ import annotations

import torch
from torch import Tensor

from taskgrove.backbones.assemble import Network
from taskgrove.domain.hparams import Hparams
from taskgrove.tasks.preprocess import eval_batch

EVAL_BATCH = 1024


def num_correct(
    network: Network, images_NHWC: Tensor, labels_N: Tensor, hparams: Hparams, dtype: torch.dtype
) -> int | None:
    """How many images are classified correctly; None when a logit is not finite.

    Args:
        network: Its parameters may be of a wider dtype than `dtype`.
        images_NHWC: uint8.
        labels_N: int64, on the images' device.
        hparams: `data.resolution`.
        dtype: In which it computes.
    """
    correct = 0
    with torch.inference_mode():
        for start in range(0, len(labels_N), EVAL_BATCH):
            chunk = slice(start, start + EVAL_BATCH)
            logits = network(eval_batch(images_NHWC[chunk], hparams).to(dtype))
            if not bool(torch.isfinite(logits).all()):
                return None
            correct += int((logits.argmax(dim=1) == labels_N[chunk]).sum())
    return correct
