"""The reference: every layer computed in every step, by PyTorch's own means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from taskgrove.backbones.assemble import Network, split
from taskgrove.backbones.base import Tensors
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import SlotName
from taskgrove.domain.jobs import TrainConfig
from taskgrove.tasks.preprocess import train_batch
from taskgrove.trainer.evaluate import num_correct
from taskgrove.trainer.learner import NO_RATES, AbstractLearner, Resident, State, dtype_of, parts_of
from taskgrove.trainer.optim import LearningRate, Optimizer


@final
class PlainLearner(AbstractLearner):
    """Trains a network's own parameters, in place.

    Args:
        network: Trainable slots hold float32 master weights; frozen ones may be of lower precision.
        momentum: Buffers to continue with, by trainable slot; absent ones start at zero.
        data: On the network's device.
        hparams: `opt.*` and `data.*`.
        rate: Of every step.
        config: Precision and micro-batch.
        seed: Of augmentation.
        rates: Factors of the learning rate by slot; 1 where none is given.
    """

    def __init__(
        self,
        network: Network,
        momentum: Mapping[SlotName, Tensors],
        data: Resident,
        *,
        hparams: Hparams,
        rate: LearningRate,
        config: TrainConfig,
        seed: int,
        rates: Mapping[SlotName, float] = NO_RATES,
    ) -> None:
        self._network = network
        self._data = data
        self._hparams = hparams
        self._dtype = dtype_of(config)
        self._micro_batch = config.micro_batch
        self._augment = torch.Generator(device=data.train_images.device).manual_seed(seed)
        # In order of name, so that sums over them have one order.
        names = sorted((slot, name) for slot in network.trainable for name in network.tensors(slot))
        parameters = [network.tensors(slot)[name] for slot, name in names]
        buffers = [momentum[slot][name] if slot in momentum else None for slot, name in names]
        factors = [rates.get(slot, 1.0) for slot, _ in names]
        self._optimizer = Optimizer(parameters, buffers, hparams, rate, factors)

    def learn(self, batches: Sequence[Tensor]) -> Tensor:
        device = self._data.train_images.device
        total = torch.zeros((), device=device)
        for index in batches:
            index = index.to(device)
            images = train_batch(self._data.train_images[index], self._hparams, self._augment)
            pairs = (images.to(self._dtype), self._data.train_labels[index])
            for part, labels in zip(*(parts_of(rows, self._micro_batch) for rows in pairs), strict=True):
                loss = cross_entropy(self._network(part).float(), labels) * (len(part) / len(index))
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
            self._optimizer.step()
        return total / len(batches)

    def num_correct(self, num_val: int) -> int | None:
        images, labels = self._data.val_images[:num_val], self._data.val_labels[:num_val]
        return num_correct(self._network, images, labels, self._hparams, self._dtype)

    def snapshot(self) -> tuple[State, State]:
        trainable = self._network.trainable
        current = split(self._network)
        parameters = {slot: {name: t.clone() for name, t in current[slot].items()} for slot in trainable}
        momentum = {
            slot: {
                name: self._optimizer.momentum(p).clone() for name, p in self._network.tensors(slot).items()
            }
            for slot in trainable
        }
        return parameters, momentum
