"""How alike two networks see the same images: measures of representational similarity, by name."""

from __future__ import annotations

from taskgrove.domain.registry import Registry
from taskgrove.trainer.similarity.base import AbstractDissimilarity
from taskgrove.trainer.similarity.cka import LinearCka
from taskgrove.trainer.similarity.rsa import Rsa

DISSIMILARITIES: Registry[type[AbstractDissimilarity]] = Registry(
    "measure of dissimilarity",
    "taskgrove.dissimilarities",
    {measure.name: measure for measure in (Rsa, LinearCka)},
)

__all__ = ["DISSIMILARITIES"]
