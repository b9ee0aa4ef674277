"""A search of seconds for tests: three pairs of digits, a tiny network, hardly any training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from taskgrove.experiment.search.spec import SearchSpec, read_search
from taskgrove.experiment.spec import ExperimentSpec

TEMPLATE = """
name = "seq"
device = "cpu"
root.member = "mlp-tiny-test"
agent = { method = "bind_grow", iterations = 1, samples = 16 }
defaults = { "opt.lr" = 0.1 }
[train]
cycles = 1
samples_cap = 128
batch_size = 16
val_cap = 64
precision = "fp32"
threads = 1
"""
TASKS = "".join(f'[[tasks]]\nname = "d{i}"\nsource = "split:sklearn:digits:{i}/5"\n' for i in range(3))
SEARCH = """
[search]
step = 0.25
population = 3
seed = 1
"""
COUNTS = ("seconds", "computed", "remembered")
"""What a trial's result says of how it was worked out."""


def template(folder: Path, search: str = SEARCH) -> tuple[ExperimentSpec, SearchSpec]:
    """The experiment and the search, read from a file in the folder."""
    return read_search(written(folder, search))


def written(folder: Path, search: str = SEARCH) -> Path:
    """The file."""
    path = folder / "seq.toml"
    path.write_text(TEMPLATE + search + TASKS, encoding="utf-8")
    return path


def results(folder: Path) -> list[dict[str, Any]]:
    """`trials.json` without times and counts."""
    trials = json.loads((folder / "trials.json").read_text(encoding="utf-8"))
    return [{name: value for name, value in trial.items() if name not in COUNTS} for trial in trials]
