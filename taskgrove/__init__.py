"""Taskgrove: one multitask model that grows for ever.

Example:
    >>> import taskgrove
    >>> grove = taskgrove.create("grove/", root="vit-ti3")  # doctest: +SKIP
    >>> grove.add_task("digits", taskgrove.arrays(x, y))  # doctest: +SKIP
    >>> grove.grow(agent="mu2net_plus", iterations=2)  # doctest: +SKIP
    >>> grove.predict("digits", images).names  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from taskgrove.version import __version__

if TYPE_CHECKING:
    from taskgrove.coordinator.executors.futures import FuturesExecutor as FuturesExecutor
    from taskgrove.experiment.api import create as create
    from taskgrove.experiment.api import open as open
    from taskgrove.experiment.api import run as run
    from taskgrove.experiment.catalogue import registered as registered
    from taskgrove.experiment.comparison.compare import compare as compare
    from taskgrove.experiment.comparison.variants import read_variants as read_variants
    from taskgrove.experiment.copies import fork_store as fork_store
    from taskgrove.experiment.copies import heal_store as heal_store
    from taskgrove.experiment.copies import mirror_store as mirror_store
    from taskgrove.experiment.decode import read_experiment as read_experiment
    from taskgrove.experiment.grove import Grove as Grove
    from taskgrove.experiment.places import check_store as check_store
    from taskgrove.experiment.search.pick import pick as pick
    from taskgrove.experiment.search.search import search as search
    from taskgrove.experiment.search.spec import SearchSpec as SearchSpec
    from taskgrove.experiment.search.spec import read_search as read_search
    from taskgrove.experiment.segments import read_segments as read_segments
    from taskgrove.experiment.spec import ScoreSpec as ScoreSpec
    from taskgrove.experiment.spec import TrainSpec as TrainSpec
    from taskgrove.tasks.sources.arrays import arrays as arrays

# Names are imported on first use: rooms that may not import torch do not do so through this file, and
# the command line, which takes them from here, loads it only for commands that compute.
_HOMES = {
    "FuturesExecutor": "taskgrove.coordinator.executors.futures",
    "Grove": "taskgrove.experiment.grove",
    "ScoreSpec": "taskgrove.experiment.spec",
    "SearchSpec": "taskgrove.experiment.search.spec",
    "TrainSpec": "taskgrove.experiment.spec",
    "arrays": "taskgrove.tasks.sources.arrays",
    "check_store": "taskgrove.experiment.places",
    "compare": "taskgrove.experiment.comparison.compare",
    "create": "taskgrove.experiment.api",
    "fork_store": "taskgrove.experiment.copies",
    "heal_store": "taskgrove.experiment.copies",
    "mirror_store": "taskgrove.experiment.copies",
    "open": "taskgrove.experiment.api",
    "pick": "taskgrove.experiment.search.pick",
    "read_experiment": "taskgrove.experiment.decode",
    "read_search": "taskgrove.experiment.search.spec",
    "read_segments": "taskgrove.experiment.segments",
    "read_variants": "taskgrove.experiment.comparison.variants",
    "registered": "taskgrove.experiment.catalogue",
    "run": "taskgrove.experiment.api",
    "search": "taskgrove.experiment.search.search",
}

__all__ = [
    "FuturesExecutor",
    "Grove",
    "ScoreSpec",
    "SearchSpec",
    "TrainSpec",
    "__version__",
    "arrays",
    "check_store",
    "compare",
    "create",
    "fork_store",
    "heal_store",
    "mirror_store",
    "open",
    "pick",
    "read_experiment",
    "read_search",
    "read_segments",
    "read_variants",
    "registered",
    "run",
    "search",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return vars(import_module(_HOMES[name]))[name]
    raise AttributeError(f"module 'taskgrove' has no attribute {name!r}; it has {', '.join(__all__)}")
