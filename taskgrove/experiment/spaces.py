"""The papers' search spaces, collected from the rooms that consume their hyperparameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from taskgrove.backbones.families import family_of
from taskgrove.domain.hparams import Space
from taskgrove.domain.registry import Registry
from taskgrove.experiment.spec import SpaceSpec
from taskgrove.mutations.mu import MU, MU2NET_MU, MUNET_MU
from taskgrove.tasks.preprocess import MU2NET_PLUS_PREPROCESS, MUNET_PREPROCESS
from taskgrove.trainer.optim import MU2NET_OPTIMIZER, MU2NET_PLUS_OPTIMIZER, MUNET_OPTIMIZER


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """A named search space.

    Attributes:
        summary: One line for `taskgrove list spaces`.
        of: The space for a backbone.
    """

    summary: str
    of: Callable[[str], Space]


def _munet(member: str) -> Space:
    family = family_of(member)
    architecture = family.space(member) | family.insertion_space(member)
    return MUNET_OPTIMIZER | MUNET_PREPROCESS | architecture | Space((MUNET_MU,))


def _mu2net(member: str) -> Space:
    architecture = family_of(member).space(member)
    fixed = architecture.with_values({c.name: (c.default,) for c in architecture})
    return MU2NET_OPTIMIZER | MUNET_PREPROCESS | fixed | Space((MU2NET_MU,))


def _mu2net_plus(member: str) -> Space:
    return MU2NET_PLUS_OPTIMIZER | MU2NET_PLUS_PREPROCESS | family_of(member).space(member) | Space((MU,))


SPACES: Registry[SearchSpace] = Registry(
    "search space",
    "taskgrove.spaces",
    {
        "munet": SearchSpace(summary="muNet, §3: three schedules, adapters, augmentation on", of=_munet),
        "mu2net": SearchSpace(summary="µ2Net: fixed resolution, augmentation on, µ per model", of=_mu2net),
        "mu2net_plus": SearchSpace(summary="µ2Net+, Table 1: augmentation off by default", of=_mu2net_plus),
    },
)


def space_of(spec: SpaceSpec, usual: str, member: str) -> Space:
    """The space that an experiment searches for a backbone.

    Args:
        spec: Of the experiment.
        usual: The method's own, taken unless the experiment names another.
        member: The backbone.

    Raises:
        UnknownNameError: There is no such space, hyperparameter or backbone.
        BadValueError: A value is not one that the hyperparameter can have.
    """
    return SPACES[usual if spec.base is None else spec.base].of(member).with_values(spec.values)
