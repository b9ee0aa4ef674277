"""Bind-and-grow beside its baselines (004, §4), from the systems that `taskgrove compare` has grown.

    taskgrove compare recipes/permuted_mnist.toml --out permuted --seeds 0,1,2
    python -m benchmarks.bind_grow recipes/permuted_mnist.toml permuted --out permuted_page

Tells for every variant the accuracy, the gain over independent nets, the distinct parameters, forgetting and
time; and whether growing what conflicts gains more than random growth with as many parameters.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np

import taskgrove
from benchmarks.bind_grow_picture import GUIDED, RANDOM, THRIFTY, draw
from benchmarks.page import Page, Row, save
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Commit, FinishChild, FinishProbe
from taskgrove.experiment.comparison.variants import Variant, read_variants
from taskgrove.reports.analyses.transfer import (
    accuracy_matrix,
    average_accuracy,
    backward_transfer,
    multi_task_gain,
    paper_delta,
)

_ENDS = (0.0, 1.0)
"""Coefficients at which all ways of growing are one."""
_RESAMPLES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """One system.

    Attributes:
        variant, seed: Of the comparison.
        accuracy: Mean test accuracy of all tasks in the end.
        params: Distinct parameters of all tasks' models.
        gain: Mean over tasks of (E_alone - E) / E_alone on validation images.
        delta: The paper's sum with the other sign.
        backward: Mean change of a task's test accuracy by the tasks after it.
        forward: Mean validation accuracy when learned, less that of the independent net.
        seconds: Of all jobs.
    """

    variant: str
    seed: int
    accuracy: float
    params: int
    gain: float
    delta: float
    backward: float
    forward: float
    seconds: float


def grown(variant: Variant, seed: int, folder: Path, alone: Mapping[TaskName, float]) -> Grown:
    """What a system of the comparison is worth.

    Args:
        variant, seed: Which.
        folder: Of the comparison.
        alone: Validation accuracies of independent nets with half of the budget, by task.
    """
    grove = taskgrove.open(folder / variant.slug / f"seed{seed}", writable=False)
    history, view = list(grove.store.history()), grove.view()
    matrix = accuracy_matrix(history)
    errors = {task: 1 - view.models[best].quality for task, best in view.bests.items()}
    independent = {task: 1 - accuracy for task, accuracy in alone.items()}
    learned = when_learned(history)
    sizes = {c.id: c.num_params for best in view.bests.values() for c in view.models[best].components}
    return Grown(
        variant=variant.name,
        seed=seed,
        accuracy=average_accuracy(matrix) or 0.0,
        params=sum(sizes.values()),
        gain=multi_task_gain(errors, independent) or 0.0,
        delta=paper_delta(errors, independent) or 0.0,
        backward=fmean(backward_transfer(matrix).values()),
        forward=fmean(learned[task] - alone[task] for task in learned),
        seconds=sum(commit.meters.get(f"{part}_s", 0.0) for commit in history for part in PARTS),
    )


PARTS = ("train", "evaluate", "study")


def when_learned(history: Sequence[Commit]) -> dict[TaskName, float]:
    """The best validation accuracy that each task's newest children had, those that only serve to compare
    left out."""
    found: dict[TaskName, float] = {}
    for commit in history:
        child = commit.operation
        if isinstance(child, FinishChild) and child.result is not None and child.model is not None:
            sharing = child.agent == "bind_grow" and child.generation > 0
            found[child.task] = (
                child.result.quality if sharing else max(found.get(child.task, 0.0), child.result.quality)
            )
    return found


def independents(variants: Sequence[Variant], seed: int, folder: Path) -> dict[TaskName, float]:
    """Validation accuracies of the independent nets that bind-and-grow has compared with others."""
    variant = next(v for v in variants if GUIDED.fullmatch(v.name))
    grove = taskgrove.open(folder / variant.slug / f"seed{seed}", writable=False)
    children = (commit.operation for commit in grove.store.history())
    return {
        child.task: child.result.quality
        for child in children
        if isinstance(child, FinishChild) and child.generation == 0 and child.result is not None
    }


def summary(runs: Sequence[Grown]) -> list[Row]:
    """A row per variant: means and standard deviations over seeds."""
    rows: list[Row] = []
    for name in dict.fromkeys(run.variant for run in runs):
        own = [run for run in runs if run.variant == name]
        rows.append(
            {
                "variant": name,
                "test accuracy, %": spread([100 * run.accuracy for run in own]),
                "gain, %": spread([100 * run.gain for run in own]),
                "the paper's Δ": spread([run.delta for run in own], 2),
                "distinct parameters, k": spread([run.params / 1e3 for run in own]),
                "forward, points": spread([100 * run.forward for run in own]),
                "backward, points": spread([100 * run.backward for run in own]),
                "seconds": spread([run.seconds for run in own], 0),
            }
        )
    return rows


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Mean ± standard deviation."""
    text = f"{fmean(values):,.{digits}f}"
    return f"{text} ± {stdev(values):.{digits}f}" if len(values) > 1 else text


def coefficient(run: Grown, way: re.Pattern[str]) -> float | None:
    """The δ of a system that was grown in a way, or at one of the ends; None of any other."""
    if found := way.fullmatch(run.variant):
        return float(found[1])
    found = GUIDED.fullmatch(run.variant)
    return float(found[1]) if found and float(found[1]) in _ENDS else None


def against_random(runs: Sequence[Grown], way: re.Pattern[str] = GUIDED) -> list[float]:
    """Of each random system, how much more a guided one with as many parameters and its seed gains.

    The gain of guided growth between two sizes is interpolated; random systems larger or smaller than all
    guided ones are compared with the nearest.
    """
    found = []
    for run in runs:
        if run.variant.startswith(RANDOM):
            guided = [r for r in runs if coefficient(r, way) is not None and r.seed == run.seed]
            guided.sort(key=lambda r: r.params)
            expected = np.interp(run.params, [r.params for r in guided], [r.gain for r in guided])
            found.append(float(expected) - run.gain)
    return found


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % bootstrap interval of a mean."""
    rng = np.random.default_rng(0)
    means = rng.choice(np.asarray(values), size=(_RESAMPLES, len(values))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def comparison(runs: Sequence[Grown], way: re.Pattern[str] = GUIDED) -> list[Row]:
    """Guided against random growth, with the 95 % confidence interval of the mean difference."""
    rows: list[Row] = []
    for seed in (None, *dict.fromkeys(run.seed for run in runs)):
        more = against_random([run for run in runs if seed in (None, run.seed)], way)
        if not more:
            continue
        low, high = interval(more)
        rows.append(
            {
                "seed": "all" if seed is None else str(seed),
                "random systems": len(more),
                "gain more by conflicts, points": f"{100 * fmean(more):.1f}",
                "95 % interval": f"{100 * low:.1f} to {100 * high:.1f}",
                "of them worse than guided": sum(value > 0 for value in more),
            }
        )
    return rows


def growth(runs: Sequence[Grown], way: re.Pattern[str] = GUIDED) -> list[Row]:
    """Parameters by grow coefficient, per seed: they never fall."""
    rows: list[Row] = []
    for seed in dict.fromkeys(run.seed for run in runs):
        sizes = {
            delta: run.params
            for run in runs
            if run.seed == seed and (delta := coefficient(run, way)) is not None
        }
        ordered = [sizes[delta] for delta in sorted(sizes)]
        rows.append(
            {
                "seed": str(seed),
                **{f"δ = {delta:g}": f"{sizes[delta] / 1e3:,.0f} k" for delta in sorted(sizes)},
                "never falls": "yes" if ordered == sorted(ordered) else "no",
            }
        )
    return rows


def ways(runs: Sequence[Grown]) -> dict[str, list[Row]]:
    """Each way of growing that some system was grown in, against random growth and by coefficient."""
    tables: dict[str, list[Row]] = {}
    for what, way in (("what conflicts", GUIDED), ("what conflicts most per parameter", THRIFTY)):
        if any(way.fullmatch(run.variant) for run in runs):
            tables[f"Growing {what} against random growth, at equal parameters"] = comparison(runs, way)
            tables[f"Distinct parameters by grow coefficient, growing {what}"] = growth(runs, way)
    return tables


def compared_by(variants: Sequence[Variant], seed: int, folder: Path) -> str:
    """The measure of dissimilarity that the systems were grown by."""
    for variant in variants:
        grove = taskgrove.open(folder / variant.slug / f"seed{seed}", writable=False)
        for commit in grove.store.history():
            if isinstance(probe := commit.operation, FinishProbe):
                return f"{probe.measure}, {probe.num_samples} images"
    return "nothing"


def main(given: list[str] | None = None) -> None:
    """Read the command line and the systems, keep the page."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    reader.add_argument("recipe", type=Path, help="which was compared")
    reader.add_argument("folder", type=Path, help="of the comparison")
    reader.add_argument("--seeds", default="0,1,2", help="with commas")
    reader.add_argument("--note", default="", help="what a reader must know of the data")
    reader.add_argument("--out", type=Path, required=True, help="without suffix")
    arguments = reader.parse_args(given)
    seeds = [int(word) for word in arguments.seeds.split(",")]
    variants, folder = read_variants(arguments.recipe), arguments.folder
    runs = []
    for seed in seeds:
        alone = independents(variants, seed, folder)
        runs += [
            grown(v, seed, folder, alone) for v in variants if (folder / v.slug / f"seed{seed}.json").exists()
        ]
    finished = json.loads((folder / variants[0].slug / f"seed{seeds[0]}.json").read_text())
    page = Page(
        title=f"{arguments.recipe.stem}: bind and grow beside its baselines",
        conditions={
            "where": finished["conditions"],
            "seeds": len(seeds),
            "compared by": compared_by(variants, seeds[0], folder),
        },
        tables={"Variants": summary(runs), **ways(runs)},
        notes=[
            *([arguments.note] if arguments.note else []),
            "Gain: mean over tasks of (E_alone - E) / E_alone, E the validation error in the end and E_alone "
            "that of an independent net with half of the budget, which is what bind-and-grow compares with. "
            "Forward: validation accuracy when learned less that of the independent net. Backward: change of "
            "the test accuracy by the tasks learned later; forgetting is its negative. ± is the standard "
            "deviation over seeds; the interval is a bootstrap over the random systems.",
        ],
    )
    save(page, arguments.out, draw(runs))


if __name__ == "__main__":
    main()
