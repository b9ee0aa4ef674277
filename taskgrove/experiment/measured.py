"""Experiments that say `measured` instead of a number, and what they are carried out with."""

from __future__ import annotations

import json
from dataclasses import replace

from taskgrove.coordinator.executors import EXECUTORS
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.view import SystemView
from taskgrove.experiment.build import training_of
from taskgrove.experiment.history import note
from taskgrove.experiment.measuring import Measured, measure
from taskgrove.experiment.spec import MEASURED, ExperimentSpec, digest
from taskgrove.store.store import Store


def settled(spec: ExperimentSpec, store: Store) -> ExperimentSpec:
    """The experiment with numbers where it says `measured`; what is measured now is noted in the store's log.

    Args:
        spec: As it was written.
        store: Of a system with a root.

    Raises:
        BadValueError, EnvironmentFailure: See `measure`.
    """
    view = store.refresh()
    spec = with_recorded(spec, view)
    if not is_measured(spec):
        return spec
    found = measure(spec, view.models[view.roots[0]].member)
    note(store, f"{spec.name}: {found.sentence()}.")
    # Another process that carries it out may have begun it meanwhile.
    return with_measured(with_recorded(spec, store.refresh()), found)


def is_measured(spec: ExperimentSpec) -> bool:
    """Whether something of it is left to be measured."""
    return MEASURED in (spec.train.threads, spec.workers)


def with_recorded(spec: ExperimentSpec, view: SystemView) -> ExperimentSpec:
    """The experiment with the threads that it began with in a system, or one of the same settings did.

    Args:
        spec: As it was written.
        view: Of the system.
    """
    if spec.train.threads != MEASURED:
        return spec
    if spec.name in view.experiments:
        return _with_threads(spec, _threads(view, spec.name))
    for name in view.experiments:
        if threads := _threads(view, name):
            known = _with_threads(spec, threads)
            train = training_of(known)
            if digest(known, train.precision, train.threads) == view.experiments[name].digest:
                return known
    return spec


def with_measured(spec: ExperimentSpec, found: Measured) -> ExperimentSpec:
    """The experiment with numbers where it says `measured`."""
    workers = found.crew.workers if spec.workers == MEASURED else spec.workers
    threads = found.crew.threads if spec.train.threads == MEASURED else spec.train.threads
    return replace(_with_threads(spec, threads), workers=workers)


def all_measured(spec: ExperimentSpec) -> ExperimentSpec:
    """The experiment with `measured` where it leaves the number to the machine."""
    workers = spec.workers or (MEASURED if EXECUTORS[spec.executor].parallel else 0)
    return replace(_with_threads(spec, spec.train.threads or MEASURED), workers=workers)


def refuse_measured(spec: ExperimentSpec, where: str) -> None:
    """Refuse `measured` where several runs share a machine.

    Raises:
        BadValueError: Something is to be measured.
    """
    if is_measured(spec):
        raise BadValueError(
            f'workers or train.threads is "{MEASURED}", which is for one run that has the machine to itself, '
            f"but {where} carries out several, which must compute alike. Set numbers; `taskgrove measure` "
            "tells which are fast."
        )


def _threads(view: SystemView, name: str) -> int:
    """That an experiment was recorded with; 0 when it left them open."""
    return int(json.loads(view.experiments[name].spec)["train"]["threads"])


def _with_threads(spec: ExperimentSpec, threads: int | str) -> ExperimentSpec:
    return replace(spec, train=replace(spec.train, threads=threads))
