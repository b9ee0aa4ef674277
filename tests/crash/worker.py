"""A process to be killed: loads everything, says so, waits for a word, then runs an experiment.

Loading torch takes longer than the run itself, so a test starts the next worker while one runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.decode import read_experiment


def main(experiment: Path, store: Path) -> None:
    """Run the experiment on the store once a line arrives on standard input."""
    torch.zeros(8, 8) @ torch.zeros(8, 8)
    spec = read_experiment(experiment)
    print("ready", flush=True)
    sys.stdin.readline()
    print("begun", flush=True)
    open_or_create(store, spec.root).run(spec)
    print("done", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
