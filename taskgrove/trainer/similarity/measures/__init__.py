"""Measures of representational similarity: one line per file."""

from __future__ import annotations

from taskgrove.domain.registry import Registry
from taskgrove.trainer.similarity.base import AbstractDissimilarity
from taskgrove.trainer.similarity.measures.cka import LinearCka
from taskgrove.trainer.similarity.measures.rsa import Rsa

DISSIMILARITIES: Registry[type[AbstractDissimilarity]] = Registry(
    "measure of dissimilarity",
    "taskgrove.dissimilarities",
    {measure.name: measure for measure in (Rsa, LinearCka)},
)

__all__ = ["DISSIMILARITIES"]
