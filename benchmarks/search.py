"""A whole search on one machine: as it comes, with the plain engine, and timm's way.

    TASKGROVE_DATA=/path/to/npz/files python -m benchmarks.search --scale 0.25 \\
        --peer-python /path/to/timm-env/bin/python --out search_2cores

carries out a variant of a recipe, with a part of its budget: with the fast engine by a worker per core and by
one; with the plain engine, in the same precision by one worker, and in float32 in one process with a thread
per core, as PyTorch comes. It lists the children whose fate differs. In timm's way every child trains all
layers at its own resolution and reads and changes its images one by one, by a thread per core, in both
precisions.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import torch

import taskgrove
from benchmarks.fates import fates, fates_that_differ, outline
from benchmarks.measure import DTYPES, interleaved, machine, parser, settle
from benchmarks.page import Page, Row, save
from benchmarks.peer import Peer
from benchmarks.step import peer_settings
from benchmarks.system import make_system, noise, trained, usual_hparams
from taskgrove.coordinator.base import Work
from taskgrove.coordinator.executors import EXECUTORS
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import TaskName
from taskgrove.domain.jobs import Outcome, TrainConfig, TrainJob
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.build import build_device, build_train
from taskgrove.experiment.decode import VARIANTS
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spec import ExperimentSpec, TrainSpec
from taskgrove.experiment.tables import read_table
from taskgrove.tasks.preprocess import OF_COLOURS, RESOLUTION, is_deterministic

Child = TypeVar("Child")
PEER_MODULE = "benchmarks.peers.vit_finetune"
TIMMS_WAY = "timm's way"
FAST, ALONE, PLAIN, FLOAT32 = "fast", "fast, one worker", "plain, one worker", "plain, float32, no workers"
"""Ways of Taskgrove."""
CHILDREN = 8
"""Of a generation (000, §4): what a budget is a multiple of."""


def spec_of(arguments: argparse.Namespace) -> ExperimentSpec:
    """The experiment, with a part of its budget."""
    if VARIANTS in read_table(arguments.recipe):
        variants = {variant.name: variant for variant in taskgrove.read_variants(arguments.recipe)}
        spec = variants[arguments.variant].specs[0]
    else:
        spec = taskgrove.read_experiment(arguments.recipe)
    if spec.budget.cycles is not None:
        generation = CHILDREN * spec.train.cycles
        generations = max(1, round(arguments.scale * spec.budget.cycles / generation))
        iterations = min(spec.agent.iterations, generations)
        cycles = generation * (generations - generations % iterations)
        agent, budget = replace(spec.agent, iterations=iterations), replace(spec.budget, cycles=cycles)
        spec = replace(spec, agent=agent, budget=budget)
    return replace(spec, device=arguments.device)


def ways_of(spec: ExperimentSpec, workers: int, threads: int) -> dict[str, ExperimentSpec]:
    """The experiment in each of Taskgrove's ways.

    Args:
        spec: The experiment.
        workers: Of the first way, one thread each.
        threads: Of the last way's only process.
    """

    def way(engine: str, workers: int, threads: int, precision: str = spec.train.precision) -> ExperimentSpec:
        train = replace(spec.train, engine=engine, precision=precision, threads=threads)
        executor = "processes" if workers > 1 else "inline"
        return replace(spec, train=train, executor=executor, workers=workers)

    return {
        FAST: way("fast", workers, 1),
        ALONE: way("fast", 1, 1),
        PLAIN: way("plain", 1, 1),
        FLOAT32: way("plain", 1, threads, "fp32"),
    }


class Searches:
    """Carries out an experiment again and again, each time on a new system.

    Args:
        spec: The experiment.
        folder: Of the systems.
    """

    def __init__(self, spec: ExperimentSpec, folder: Path) -> None:
        self._spec = spec
        self._folder = folder
        self._runs = 0
        self.newest: Grove | None = None
        self.children: list[TrainJob] = []
        """Of the newest run; only where they are trained in this process."""

    def seconds(self) -> float:
        """Carry it out; what it took, reading data and testing included."""
        self._runs += 1
        self.children.clear()
        start = perf_counter()
        self.newest = open_or_create(self._folder / f"run{self._runs}", self._spec.root)
        if EXECUTORS[self._spec.executor].parallel:
            self.newest.run(self._spec)
        else:
            self.newest.run(self._spec, wrap=self._counting)
        return perf_counter() - start

    def _counting(self, work: Work) -> Work:
        def train(job: TrainJob) -> Outcome:
            self.children.append(job)
            return work.train(job)

        return replace(work, train=train)


class TimmsWay:
    """One full fine-tune per child of a search, at the child's resolution and with its random changes.

    Args:
        peer: Trains them.
        precision: In which.
        searches: Whose newest run is repeated.
        train: How its children were trained.
        at_each: Children that are trained of those of one task and resolution, and as many of those whose
            images are changed at random; the others are taken to cost as much.
        folder: Where the peer finds the images.
    """

    def __init__(
        self, peer: Peer, precision: str, searches: Searches, train: TrainSpec, at_each: int, folder: Path
    ) -> None:
        self._peer = peer
        self._precision = precision
        self._searches = searches
        self._train = train
        self._at_each = at_each
        self._folder = folder

    def seconds(self) -> float:
        """Train some; what all children of the search take."""
        grove, spent = grown(self._searches), 0.0
        tasks = sorted({job.task for job in self._searches.children})
        files = {task: export(grove, task, self._folder) for task in tasks}
        alike: dict[tuple[TaskName, int, bool], list[dict[str, float]]] = {}
        for job in self._searches.children:
            changes = changes_of(job.hparams, int(files[job.task][1]["channels"]))
            kind = job.task, int(job.hparams[RESOLUTION]), bool(changes)
            alike.setdefault(kind, []).append(changes)
        for (task, resolution, _), children in sorted(alike.items()):
            tried = [
                self._one(*files[task], resolution, changes) for changes in spread(children, self._at_each)
            ]
            spent += fmean(tried) * len(children)
        return spent

    def _one(self, path: Path, sizes: dict[str, int], resolution: int, changes: dict[str, float]) -> float:
        return self._peer.seconds(
            data=str(path),
            classes=sizes["classes"],
            cycles=self._train.cycles,
            samples=min(sizes["samples"], self._train.samples_cap),
            val=self._train.val_cap,
            precision=self._precision,
            resolution=resolution,
            changes=changes,
        )


def changes_of(hparams: Hparams, channels: int) -> dict[str, float]:
    """What a child's training images undergo at random, in the peer's words; empty for nothing."""
    if is_deterministic(hparams, channels):
        return {}
    left_out = (RESOLUTION, *(OF_COLOURS if channels == 1 else ()))
    asked = {name: float(value) for name, value in hparams.items() if name.startswith("data.")}
    return {name.removeprefix("data."): value for name, value in asked.items() if name not in left_out}


def spread(children: Sequence[Child], most: int) -> Sequence[Child]:
    """Some of them, from all parts of the sequence."""
    step = max(1.0, len(children) / most)
    return [children[int((place + 0.5) * step)] for place in range(min(most, len(children)))]


def export(grove: Grove, name: TaskName, folder: Path) -> tuple[Path, dict[str, int]]:
    """A task's images as a file, and its sizes."""
    data = grove.task_data(name)
    path = folder / f"{name}.npz"
    arrays: dict[str, Any] = {"x_train": data.train.images, "y_train": data.train.labels}
    arrays |= {"x_val": data.val.images, "y_val": data.val.labels}
    np.savez(path, allow_pickle=False, **arrays)
    sizes = {"samples": len(data.train), "classes": len(data.class_names)}
    return path, {**sizes, "channels": data.train.images.shape[-1]}


def carry_out(
    spec: ExperimentSpec, arguments: argparse.Namespace, device: torch.device, folder: Path
) -> Page:
    """All ways in turns."""
    specs = ways_of(spec, arguments.workers, arguments.threads)
    searches = {way: Searches(specs[way], folder / str(place)) for place, way in enumerate(specs)}
    for way in specs.values():
        warm_up(spec, build_train(way.train, device), device)
    ways: dict[str, Callable[[], float]] = {way: search.seconds for way, search in searches.items()}
    wanted = peer_settings(member_settings(spec, arguments), "fp32", device)
    with Peer(arguments.peer_python, PEER_MODULE, wanted, {}) as peer:
        for precision in DTYPES:
            tunes = TimmsWay(peer, precision, searches[ALONE], spec.train, arguments.timm_children, folder)
            ways[f"{TIMMS_WAY}: {peer.about}, {precision}"] = tunes.seconds
        times = interleaved(ways, arguments.repetitions, warm_up=0)
    groves = {way: grown(search) for way, search in searches.items()}
    return page(spec, arguments, times, groves, searches[ALONE].children)


def warm_up(spec: ExperimentSpec, config: TrainConfig, device: torch.device) -> None:
    """Train a child, so that no way pays for what is loaded on first use."""
    system = make_system(spec.root.member, noise(64, 28, 10))
    trained(system.trainer(device), system.job("embedding", replace(config, cycles=1)))


def member_settings(spec: ExperimentSpec, arguments: argparse.Namespace) -> argparse.Namespace:
    """What the peer asks of the model."""
    return argparse.Namespace(
        member=spec.root.member,
        classes=0,
        batch=spec.train.batch_size,
        threads=arguments.threads,
        resolution=usual_hparams(spec.root.member)[RESOLUTION],
    )


def grown(searches: Searches) -> Grove:
    """The newest system."""
    assert searches.newest is not None
    return searches.newest


def phases(groves: dict[str, Grove]) -> list[Row]:
    """Seconds of the children's phases, by way; those of workers add up."""
    rows: list[Row] = []
    for way, grove in groves.items():
        commits = [commit.meters for commit in grove.store.history()]
        names = ("train_s", "load_s", "learn_s", "validate_s", "write_s")
        rows.append({"way": way, **{name: sum(c.get(name, 0.0) for c in commits) for name in names}})
    return rows


def accuracies(groves: dict[str, Grove]) -> list[Row]:
    """Mean accuracies of the published models, by way."""
    rows: list[Row] = []
    for way, grove in groves.items():
        view = grove.view()
        bests = [view.models[model] for model in view.bests.values()]
        tests = [grove.evaluations()[model.id]["test"].accuracy for model in bests]
        rows.append(
            {
                "way": way,
                "validation %": 100 * fmean(m.quality for m in bests),
                "test %": 100 * fmean(tests),
            }
        )
    return rows


def page(
    spec: ExperimentSpec,
    arguments: argparse.Namespace,
    times: dict[str, tuple[float, ...]],
    groves: dict[str, Grove],
    trained: Sequence[TrainJob],
) -> Page:
    """Wall times, and whether the searches agree."""
    sizes = Counter(int(job.hparams[RESOLUTION]) for job in trained)
    children = {way: fates(grove) for way, grove in groves.items()}
    quickest = median(times[FAST])
    walls: list[Row] = [
        {
            "way": way,
            "s": median(seconds),
            "low": min(seconds),
            "high": max(seconds),
            "× fast": median(seconds) / quickest,
        }
        for way, seconds in times.items()
    ]
    others = {way: found for way, found in children.items() if way != FAST}
    return Page(
        title=f"A search, {spec.name}: {len(children[FAST])} children on {len(spec.tasks)} tasks",
        conditions={
            "experiment": f"{arguments.recipe.name}, {arguments.variant}, {spec.agent.method}, "
            f"{spec.budget.cycles or 'all'} train cycles per task of at most {spec.train.samples_cap} images",
            "workers of the first way, one thread each": float(arguments.workers),
            "precision": build_train(spec.train, build_device(spec.device)).precision,
            "repetitions": float(arguments.repetitions),
        },
        tables={
            "Wall time": walls,
            "Phases of the newest runs, seconds": phases(groves),
            "Children by resolution": [{"pixels": size, "children": sizes[size]} for size in sorted(sizes)],
            "The same search as the first way's": [
                {"way": way, **outline(children[FAST], found)} for way, found in others.items()
            ],
            "Published models": accuracies(groves),
            **{
                f"Children whose fate differs: {way}": fates_that_differ(children[FAST], found)
                for way, found in others.items()
                if way != ALONE
            },
        },
        notes=[
            "A worker has one thread, and where no more is said, the precision below. Both "
            "engines do the same sums in another order, so qualities differ by a few validation images, in "
            "float32 by some more; from the first accepted child that only one of two searches accepts, they "
            "choose among other parents, in that task and in those that use its layers.",
            f"{TIMMS_WAY} trains all layers of each child for as many images at its resolution and with its "
            f"random changes, by Pillow; {arguments.timm_children} of each task and resolution measured, and "
            "as many of those without such changes; the others are taken to cost as much. It tests nothing. "
            f"Plain in float32 and {TIMMS_WAY} use {arguments.threads} threads.",
        ],
    )


def main(given: list[str] | None = None) -> None:
    """Read the command line, measure, keep the page."""
    reader = parser(__doc__)
    reader.set_defaults(repetitions=1)
    reader.add_argument("--recipe", type=Path, default=Path("recipes/char8.toml"))
    reader.add_argument("--variant", default="µ2Net+, glyphs root")
    reader.add_argument("--scale", type=float, default=0.25, help="part of the recipe's budget")
    reader.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="of the first way")
    reader.add_argument("--timm-children", type=int, default=1, help="measured per task and resolution")
    reader.add_argument("--peer-python", default=sys.executable, help="of an environment with timm")
    arguments = reader.parse_args(given)
    device = settle(arguments)
    conditions = machine(device, arguments.threads)
    with TemporaryDirectory(prefix="taskgrove-") as folder:
        found = carry_out(spec_of(arguments), arguments, device, Path(folder))
    save(replace(found, conditions={**conditions, **found.conditions}), arguments.out)


if __name__ == "__main__":
    main()
