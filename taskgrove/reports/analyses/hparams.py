"""Which hyperparameters the models of a system were trained with (muNet, Fig. 8; µ2Net+, Fig. 5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Model
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tasks import is_layer

NUM_LAYERS: Final = "num_layers"
NUM_ADAPTERS: Final = "num_adapters"
"""Both are no hyperparameters, but the papers show them with these."""

_ADAPTER = "adapter"
_OF_ADAPTERS = "arch.adapter_dim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What one published model has for one hyperparameter.

    Attributes:
        variant, seed: Of its run.
        task: Whose model it is.
        name: Of the hyperparameter, `num_layers` or `num_adapters`.
        value: As it was trained with.
    """

    variant: str
    seed: int | None
    task: TaskName
    name: str
    value: HparamValue


def settings(runs: Sequence[Run]) -> list[Setting]:
    """Of all tasks' models: numbers of layers and of adapters first, then hyperparameters by name.

    A model without adapters has no dimension of adapters.
    """
    return [
        Setting(variant=run.variant, seed=run.seed, task=task, name=name, value=value)
        for run in runs
        for task in run.view.tasks
        if (model := run.view.best(task)) is not None
        for name, value in _of_model(model)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """How often each value of a hyperparameter is used.

    Attributes:
        name: As in `Setting`.
        values: In their order: those of the search spaces, as far as the runs know these, and those that
            models have. Numbers of layers go up to that of the roots.
        shares: By variant, the part of its models that has each value, over all seeds; variants whose
            models do not have the hyperparameter are absent.
    """

    name: str
    values: tuple[HparamValue, ...]
    shares: Mapping[str, tuple[float, ...]]

    @property
    def only(self) -> HparamValue | None:
        """The value that all models have; None when they differ."""
        used = [any(shares) for shares in zip(*self.shares.values(), strict=True)]
        return self.values[used.index(True)] if sum(used) == 1 else None


def spectra(runs: Sequence[Run]) -> list[Spectrum]:
    """Of everything that any model has, in the order of `settings`."""
    used: dict[str, dict[str, Counter[HparamValue]]] = {}
    for setting in settings(runs):
        used.setdefault(setting.name, {}).setdefault(setting.variant, Counter())[setting.value] += 1
    names = sorted(used, key=lambda name: (name != NUM_LAYERS, name != NUM_ADAPTERS, name))
    return [_spectrum(name, used[name], runs) for name in names]


def _spectrum(name: str, used: Mapping[str, Counter[HparamValue]], runs: Sequence[Run]) -> Spectrum:
    found = {value for counts in used.values() for value in counts}
    values = _in_order(found | _counted(name, found, runs), [run.valid.get(name, ()) for run in runs])
    return Spectrum(
        name=name,
        values=values,
        shares={
            variant: tuple(counts[value] / counts.total() for value in values)
            for variant, counts in used.items()
        },
    )


def _of_model(model: Model) -> Iterator[tuple[str, HparamValue]]:
    adapters = sum(component.kind == _ADAPTER for component in model.components)
    yield NUM_LAYERS, _layers(model)
    yield NUM_ADAPTERS, adapters
    for name in sorted(model.hparams):
        if adapters or name != _OF_ADAPTERS:
            yield name, model.hparams[name]


def _layers(model: Model) -> int:
    return sum(is_layer(component) for component in model.components)


def _counted(name: str, found: Set[HparamValue], runs: Sequence[Run]) -> Set[HparamValue]:
    """What lies between the values of a count, which no search space lists."""
    if name not in (NUM_LAYERS, NUM_ADAPTERS):
        return frozenset()
    whole = name == NUM_LAYERS
    roots = (_layers(run.view.models[root]) for run in runs for root in run.view.roots if whole)
    numbers = {*map(int, found), *roots}
    return frozenset(range(min(numbers), max(numbers) + 1))


def _in_order(found: Set[HparamValue], spaces: Iterable[Sequence[HparamValue]]) -> tuple[HparamValue, ...]:
    """Numbers ascending; names as the search spaces have them, then others by name."""
    listed = dict.fromkeys(value for space in spaces for value in space)
    if any(isinstance(value, str) for value in (*found, *listed)):
        return tuple(dict.fromkeys((*listed, *sorted(map(str, found)))))
    return tuple(sorted({*found, *listed}, key=float))
