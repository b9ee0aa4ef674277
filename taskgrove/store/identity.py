"""A model's id in half of the time that `domain.records.identity_of` takes: each commit checks one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from operator import attrgetter

import msgspec

from taskgrove.domain.ids import ModelId
from taskgrove.domain.records import UNIDENTIFIED, Model, identity_of

_NAMES = sorted(field.name for field in fields(Model))
_BEFORE = tuple(name for name in _NAMES if name < "components")
_AFTER = tuple(name for name in _NAMES if name > "components")
_VALUES_BEFORE, _VALUES_AFTER = attrgetter(*_BEFORE), attrgetter(*_AFTER)
_FAST = msgspec.json.Encoder(order="sorted")
_PLAIN = json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False)


def fast_identity_of(model: Model) -> ModelId:
    """What `identity_of` gives for a model as it was decoded: with values of the declared types."""
    components = _FAST.encode(model.components)
    if not components.isascii() or b"\\" in components or b"\x7f" in components:
        return identity_of(model)  # the encoders differ in texts here, and in floats, which components lack
    before = _PLAIN.encode(dict(zip(_BEFORE, _VALUES_BEFORE(model), strict=True)))
    after = _PLAIN.encode(dict(zip(_AFTER, _VALUES_AFTER(model), strict=True)) | {"id": UNIDENTIFIED})
    text = b'%b,"components":%b,%b' % (before[:-1].encode(), components, after[1:].encode())
    return ModelId(hashlib.sha256(text).hexdigest())
