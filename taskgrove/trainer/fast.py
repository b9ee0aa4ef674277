"""The fast way: no more arithmetic than a child's trainable layers ask for.

Equal to the plain way up to rounding: the same sums, some in another order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from taskgrove.backbones.assemble import Network
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import SlotName
from taskgrove.domain.jobs import TrainConfig
from taskgrove.tasks.preprocess import RESOLUTION, eval_batch, is_deterministic, train_batch
from taskgrove.trainer.chain import chains_of, through, through_again
from taskgrove.trainer.compiled import begin_step, compiled
from taskgrove.trainer.distributed import Team
from taskgrove.trainer.evaluate import images_at_once
from taskgrove.trainer.flat import FlatParameters
from taskgrove.trainer.learner import AbstractLearner, Resident, State, dtype_of, parts_of
from taskgrove.trainer.optim import LearningRate
from taskgrove.trainer.prefix.key import CHUNK, chunk_of
from taskgrove.trainer.prefix.layers import FrozenLayers, Memory
from taskgrove.trainer.streamed import DeviceImages, rows_of

WINDOW, WINDOW_BYTES = 4096, 256 << 20
"""Images whose activations are fetched at once, in whole batches, and their bytes, at most."""
PREPARED_BYTES = 256 << 20
"""Of a split's prepared images that are remembered where no layer is frozen, at most."""

Parts = Iterable[tuple[Tensor, Tensor]]
"""A step's images in parts: indices on the CPU, and what the trainable layers see of them."""


@final
class FastLearner(AbstractLearner):
    """Trains flat copies of the trainable parameters, above remembered activations of what is frozen.

    Args:
        network: Its tensors are read and never changed.
        momentum: Buffers to continue with, by trainable slot; absent ones start at zero.
        data: On the network's device.
        memory: See `Memory`.
        hparams: `opt.*` and `data.*`.
        rate: Of every step.
        config: Precision, micro-batch, checkpoints, and whether steps are compiled.
        seed: Of augmentation.
        team: Each of its processes computes its share of a batch, and of the validation.
        rates: Factors of the learning rate by slot; 1 where none is given.
    """

    def __init__(
        self,
        network: Network,
        momentum: State,
        data: Resident,
        memory: Memory,
        *,
        hparams: Hparams,
        rate: LearningRate,
        config: TrainConfig,
        seed: int,
        team: Team,
        rates: Mapping[SlotName, float],
    ) -> None:
        self._data = data
        self._memory = memory
        self._hparams = hparams
        self._dtype = dtype_of(config)
        self._micro_batch = config.micro_batch
        self._through = through_again if config.checkpoint else through
        self._team = team
        self._augment = torch.Generator(device=data.train_images.device).manual_seed(seed)
        masters: State = {slot: network.tensors(slot) for slot in network.trainable}
        self._parameters = FlatParameters(
            masters, momentum, hparams=hparams, rate=rate, dtype=self._dtype, rates=rates
        )
        self._lower, self._upper = chains_of(network, self._parameters.tensors)
        self._compile = config.compile
        self._learned = compiled(self._upper, network.family.name, config.compile)
        self._network = network

    def learn(self, batches: Sequence[Tensor]) -> Tensor:
        size, labels = len(batches[0]), self._data.train_labels
        total = torch.zeros((), device=labels.device)
        for parts in self._steps(batches):
            for index, x in parts:
                begin_step(self._compile)
                logits = self._through(self._learned, x).float()
                loss = cross_entropy(logits, labels[index.to(labels.device)])
                self._parameters.add(loss, len(index) / size)
                total.add_(loss.detach(), alpha=len(index) / size)
            self._parameters.step(self._team)
        self._team.add(total)
        return total / len(batches)

    def num_correct(self, num_val: int) -> int | None:
        correct = wrong_logits = 0
        own = self._team.share(torch.arange(num_val))
        most = images_at_once(self._hparams)
        at_once = min(self._micro_batch or most, most)
        with torch.no_grad():
            for index in torch.split(own, at_once) if len(own) else ():
                logits = through(self._upper, self._val_activations(index))
                wrong_logits += int((~torch.isfinite(logits)).sum())
                labels = self._data.val_labels[index[0] : index[-1] + 1]
                correct += int((logits.argmax(dim=1) == labels).sum())
        correct, wrong_logits = self._team.totals(correct, wrong_logits)
        return None if wrong_logits else correct

    def snapshot(self) -> tuple[State, State]:
        return self._parameters.snapshot()

    def _steps(self, batches: Sequence[Tensor]) -> Iterator[Parts]:
        """This process's share of each batch."""
        images = self._data.train_images
        if not is_deterministic(self._hparams, images.shape[-1]):
            return self._changed(batches)
        shares = [self._team.share(batch) for batch in batches]
        recalled = self._lower or self._prepared_bytes(images) <= PREPARED_BYTES
        return self._recalled(shares) if recalled else map(self._unchanged, shares)

    def _changed(self, batches: Sequence[Tensor]) -> Iterator[Parts]:
        """Images changed at random, above frozen layers if any, through which small batches go together."""
        ahead = bool(self._lower) and not self._micro_batch
        at_once = max(1, chunk_of(int(self._hparams[RESOLUTION])) // len(batches[0])) if ahead else 1
        for start in range(0, len(batches), at_once):
            window = batches[start : start + at_once]
            shares = [self._team.share(batch) for batch in window]
            x = torch.cat([self._randomly(batch) for batch in window])
            x = self._below(x) if ahead else x
            for share, rows in zip(shares, torch.split(x, [len(share) for share in shares]), strict=True):
                parts = self._parts(share, rows)
                yield parts if ahead else ((index, self._below(part)) for index, part in parts)

    def _randomly(self, batch: Tensor) -> Tensor:
        """This process's share of a batch, all of which is changed: changes do not depend on the team."""
        images = rows_of(self._data.train_images, batch)
        return self._team.share(train_batch(images, self._hparams, self._augment, self._dtype))

    def _unchanged(self, index: Tensor) -> Parts:
        """Images as they are, prepared part by part."""
        images = rows_of(self._data.train_images, index)
        return ((index, self._prepared(part)) for index, part in self._parts(index, images))

    def _recalled(self, batches: Sequence[Tensor]) -> Iterator[Parts]:
        """Images as they are, above frozen layers if any; in windows, of which the first tells the size."""
        start, window = 0, CHUNK
        while start < len(batches):
            fetched = batches[start : start + max(1, window // len(batches[0]))]
            x = self._remembered("train", self._data.train_images, torch.cat(tuple(fetched)))
            yield from map(self._parts, fetched, torch.split(x, [len(index) for index in fetched]))
            start += len(fetched)
            window = min(WINDOW, WINDOW_BYTES // x[0].nbytes)

    def _val_activations(self, index: Tensor) -> Tensor:
        images = self._data.val_images
        if self._lower or self._prepared_bytes(images) <= PREPARED_BYTES:
            return self._remembered("val", images, index)
        return self._prepared(images[index[0] : index[-1] + 1])

    def _remembered(self, split: str, images: DeviceImages, index: Tensor) -> Tensor:
        frozen = FrozenLayers(
            self._memory, self._network, self._lower, split, images, self._hparams, self._dtype
        )
        return frozen.rows(index, len(self._lower), counted=bool(self._lower))

    def _prepared_bytes(self, images: DeviceImages) -> int:
        return len(images) * 3 * int(self._hparams[RESOLUTION]) ** 2 * self._dtype.itemsize

    def _prepared(self, images: Tensor) -> Tensor:
        return eval_batch(images, self._hparams, self._dtype)

    def _below(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return through(self._lower, x)

    def _parts(self, index: Tensor, rows: Tensor) -> Parts:
        return zip(parts_of(index, self._micro_batch), parts_of(rows, self._micro_batch), strict=True)
