"""The mutations that the package ships: one line per file."""

from __future__ import annotations

from taskgrove.domain.registry import Registry
from taskgrove.mutations.base import AbstractMutation
from taskgrove.mutations.kinds.change_hparam import ChangeHparam
from taskgrove.mutations.kinds.change_mu import ChangeMu
from taskgrove.mutations.kinds.clone_component import CloneComponent
from taskgrove.mutations.kinds.insert_adapter import InsertAdapter
from taskgrove.mutations.kinds.regrow_layer import RegrowLayer
from taskgrove.mutations.kinds.remove_layer import RemoveLayer

MUTATIONS: Registry[AbstractMutation] = Registry(
    "mutation",
    "taskgrove.mutations",
    {
        mutation.kind: mutation
        for mutation in (
            ChangeHparam(),
            ChangeMu(),
            CloneComponent(),
            InsertAdapter(),
            RegrowLayer(),
            RemoveLayer(),
        )
    },
)

__all__ = ["MUTATIONS"]
