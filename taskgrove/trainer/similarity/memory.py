"""Inner products of layers that have been probed before, for probes of models that share these layers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import final

from taskgrove.domain.ids import SlotName
from taskgrove.trainer.prefix.key import Prefix
from taskgrove.trainer.similarity.gram import Gram

LIMIT_BYTES = 256 << 20
"""A search probes the models of a task one after the other; 512 samples take 2 MB per layer."""


@final
class GramMemory:
    """Inner products by layer, all that is below it, and samples; the least recently used go first.

    Args:
        limit_bytes: Of all of them together.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._grams: OrderedDict[tuple[Prefix, int], Gram] = OrderedDict()

    def of(self, model: Prefix, slots: Sequence[SlotName], num_samples: int) -> dict[SlotName, Gram]:
        """What is known of a model's layers.

        Args:
            model: All layers, over the split.
            slots: Their names.
            num_samples: So many of the first images.
        """
        keys = ((slot, (model.lower(depth), num_samples)) for depth, slot in enumerate(slots, 1))
        return {slot: self._grams[key] for slot, key in keys if key in self._grams}

    def keep(self, model: Prefix, grams: Mapping[SlotName, Gram], num_samples: int) -> None:
        """Keep those of all layers of a model, in their order; they must not change any more."""
        for depth, gram in enumerate(grams.values(), 1):
            key = (model.lower(depth), num_samples)
            self._grams[key] = gram
            self._grams.move_to_end(key)
        while sum(gram.nbytes for gram in self._grams.values()) > self._limit:
            self._grams.popitem(last=False)
