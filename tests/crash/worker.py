"""What a process does that is to be killed: it runs an experiment."""

from __future__ import annotations

from pathlib import Path

from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.decode import read_experiment


def run(experiment: Path, store: Path) -> None:
    """Carry out the experiment on the store, or continue it."""
    spec = read_experiment(experiment)
    open_or_create(store, spec.root).run(spec)
