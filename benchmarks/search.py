"""A whole search on one machine: as it comes, with the plain engine, and timm's way.

    TASKGROVE_DATA=/path/to/npz/files python -m benchmarks.search --scale 0.25 \\
        --peer-python /path/to/timm-env/bin/python --out search_2cores

carries out a variant of a recipe, with a part of its budget: with the fast engine by a worker per core and by
one; with the plain engine, in the same precision by one worker, and in float32 in one process with a thread
per core, as PyTorch comes. It lists the children whose fate differs. In timm's way every child trains all
layers at its own resolution and reads and changes its images one by one, by a thread per core, in both
precisions. All ways run in slices of seconds, while the others are stopped. Linux only.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory

import torch

import taskgrove
from benchmarks.fates import fates, fates_that_differ, outline
from benchmarks.measure import DTYPES, machine, parser, settle
from benchmarks.page import Page, Row, save
from benchmarks.slices import in_slices
from benchmarks.step import peer_settings
from benchmarks.system import make_system, noise, trained, usual_hparams
from benchmarks.timms_way import TimmsWay, tunings_of
from taskgrove.coordinator.base import Work
from taskgrove.domain.jobs import Outcome, TrainJob
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.build import build_device, build_train
from taskgrove.experiment.decode import VARIANTS
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spec import ExperimentSpec
from taskgrove.experiment.tables import read_table
from taskgrove.tasks.preprocess import RESOLUTION

TIMMS_WAY = "timm's way"
FAST, ALONE, PLAIN, FLOAT32 = "fast", "fast, one worker", "plain, one worker", "plain, float32, no workers"
"""Ways of Taskgrove."""
SHARES = {FAST: 1.0, ALONE: 1.9, PLAIN: 2.3, FLOAT32: 3.0}
TIMMS_SHARE = 6.0
"""What the ways take, about, so that all end together."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWay:
    """An experiment, carried out on a new system.

    Attributes:
        spec: The experiment.
        threads: Of the process.
        folder: Of the system.
    """

    spec: ExperimentSpec
    threads: int
    folder: Path

    def __call__(self) -> Callable[[], None]:
        """Ready to carry it out, reading data and testing included."""
        torch.set_num_threads(self.threads)
        warm_up(self.spec)
        return self.carry_out

    def carry_out(self) -> None:
        """Once, on a new system."""
        open_or_create(self.folder, self.spec.root).run(self.spec)

    def children(self) -> list[TrainJob]:
        """Carry it out here, without workers; the children that were trained."""
        found: list[TrainJob] = []

        def watched(work: Work) -> Work:
            def train(job: TrainJob) -> Outcome:
                found.append(job)
                return work.train(job)

            return replace(work, train=train)

        open_or_create(self.folder, self.spec.root).run(self.spec, wrap=watched)
        return found


def carry_out(
    spec: ExperimentSpec, arguments: argparse.Namespace, device: torch.device, folder: Path
) -> Page:
    """Once to see its children, then all ways in slices."""
    specs = ways_of(spec, arguments.workers, arguments.threads)
    seen = OwnWay(spec=specs[ALONE], threads=arguments.threads, folder=folder / "seen")
    children = seen.children()
    first = taskgrove.open(seen.folder)
    tunings = tunings_of(first, children, arguments.timm_children, spec.train, folder)
    settings = peer_settings(member_settings(spec, arguments), "fp32", device)
    peers = {
        precision: TimmsWay(
            python=arguments.peer_python,
            settings=settings,
            tunings=tuple(replace(t, request={**t.request, "precision": precision}) for t in tunings),
        )
        for precision in DTYPES
    }
    shares = {**SHARES, **dict.fromkeys(peers, TIMMS_SHARE * len(tunings) / len(children))}
    lengths = {way: arguments.slice * share for way, share in shares.items()}
    times: dict[str, list[float]] = {}
    for turn in range(arguments.repetitions):
        own = {
            way: OwnWay(spec=specs[way], threads=arguments.threads, folder=folder / f"{turn} {place}")
            for place, way in enumerate(specs)
        }
        told = in_slices({**own, **peers}, lengths)
        for way in own:
            times.setdefault(way, []).append(told[way].seconds)
        for precision, peer in peers.items():
            name, seconds = peer.all_children(told[precision])
            times.setdefault(f"{TIMMS_WAY}: {name}, {precision}", []).append(seconds)
    groves = {way: taskgrove.open(one.folder) for way, one in own.items()}
    return page(spec, arguments, times, groves, first, children, len(tunings))


def warm_up(spec: ExperimentSpec) -> None:
    """Train a child, so that no way pays for what is loaded on first use."""
    device = build_device(spec.device)
    config = build_train(spec.train, device)
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


def phases(grove: Grove) -> Row:
    """Seconds of the children's phases; those of workers add up."""
    commits = [commit.meters for commit in grove.store.history()]
    names = ("train_s", "load_s", "learn_s", "validate_s", "write_s")
    return {name: sum(commit.get(name, 0.0) for commit in commits) for name in names}


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
    times: Mapping[str, Sequence[float]],
    groves: dict[str, Grove],
    first: Grove,
    trained: Sequence[TrainJob],
    num_tuned: int,
) -> Page:
    """Wall times, and whether the searches agree.

    Args:
        spec: The experiment.
        arguments: Of the command line.
        times: Of each way, in seconds.
        groves: Of the ways of the last turn.
        first: Where the search was carried out before the others.
        trained: Its children.
        num_tuned: How many were trained in timm's way.
    """
    sizes = Counter(int(job.hparams[RESOLUTION]) for job in trained)
    children = {way: fates(grove) for way, grove in groves.items()}
    others = {way: found for way, found in children.items() if way != FAST}
    return Page(
        title=f"A search, {spec.name}: {len(children[FAST])} children on {len(spec.tasks)} tasks",
        conditions={
            "experiment": f"{arguments.recipe.name}, {arguments.variant}, {spec.agent.method}, "
            f"{spec.budget.cycles or 'all'} train cycles per task of at most {spec.train.samples_cap} images",
            "workers of the first way, one thread each": float(arguments.workers),
            "precision": build_train(spec.train, build_device(spec.device)).precision,
            "repetitions": float(arguments.repetitions),
            "slice, seconds": arguments.slice,
        },
        tables={
            "Wall time": walls(times),
            f"Phases, {ALONE}, seconds": [phases(first)],
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
        notes=notes(arguments, num_tuned),
    )


def walls(times: Mapping[str, Sequence[float]]) -> list[Row]:
    """A row per way."""
    quickest = median(times[FAST])
    return [
        {
            "way": way,
            "s": median(seconds),
            "low": min(seconds),
            "high": max(seconds),
            "× fast": median(seconds) / quickest,
        }
        for way, seconds in times.items()
    ]


def notes(arguments: argparse.Namespace, num_tuned: int) -> list[str]:
    """What a reader of the page has to know."""
    return [
        "A worker has one thread, and where no more is said, the precision below. Both "
        "engines do the same sums in another order, so qualities differ by a few validation images, in "
        "float32 by some more; from the first accepted child that only one of two searches accepts, they "
        "choose among other parents, in that task and in those that use its layers.",
        f"{TIMMS_WAY} trains all layers of each child for as many images at its resolution and with its "
        f"random changes, by Pillow. {num_tuned} were trained, {arguments.timm_children} for each task "
        "and resolution with and without such changes; the others are taken to cost as much. It tests "
        f"nothing. Plain in float32 and {TIMMS_WAY} use {arguments.threads} threads.",
        f"Ways took turns in slices, of {arguments.slice:g} seconds for the first and of more for those "
        "that take longer; the seconds are those in which they ran. Phases are of a run before them.",
    ]


def main(given: list[str] | None = None) -> None:
    """Read the command line, measure, keep the page."""
    reader = parser(__doc__)
    reader.set_defaults(repetitions=1)
    reader.add_argument("--recipe", type=Path, default=Path("recipes/char8.toml"))
    reader.add_argument("--variant", default="µ2Net+, glyphs root")
    reader.add_argument("--scale", type=float, default=0.25, help="part of the recipe's budget")
    reader.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="of the first way")
    reader.add_argument("--timm-children", type=int, default=1, help="measured per task and resolution")
    reader.add_argument("--slice", type=float, default=4.0, help="seconds of the first way's")
    reader.add_argument("--peer-python", default=sys.executable, help="of an environment with timm")
    arguments = reader.parse_args(given)
    device = settle(arguments)
    conditions = machine(device, arguments.threads)
    with TemporaryDirectory(prefix="taskgrove-") as folder:
        found = carry_out(spec_of(arguments), arguments, device, Path(folder))
    save(replace(found, conditions={**conditions, **found.conditions}), arguments.out)


if __name__ == "__main__":
    main()
