"""Training jobs as JSON, for processes that train them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import msgspec

from taskgrove.domain.ids import SlotName
from taskgrove.domain.jobs import Clone, Fresh, Origin, Share, TrainConfig, TrainJob

_ORIGINS: Mapping[str, type[Origin]] = {kind.__name__: kind for kind in (Share, Clone, Fresh)}


def encode(job: TrainJob) -> bytes:
    """The message that `decode` turns into the same job."""
    slots = [(name, type(origin).__name__, asdict(origin)) for name, origin in job.slots]
    return msgspec.json.encode({**asdict(replace(job, slots=())), "slots": slots}, enc_hook=dict)


def decode(message: bytes) -> TrainJob:
    """The job of a message."""
    fields: dict[str, Any] = msgspec.json.decode(message)
    slots = tuple((SlotName(name), _ORIGINS[kind](**origin)) for name, kind, origin in fields["slots"])
    return TrainJob(**{**fields, "slots": slots, "config": TrainConfig(**fields["config"])})
