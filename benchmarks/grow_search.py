"""A search over grow sequences beside a grid and chance, with and without what trials have in common (004).

    TASKGROVE_DATA=/path/to/npz/files python -m benchmarks.grow_search --out grow_search

Every sampler tries as many sequences on branches of a system of its own. The front of each is judged by the
area that it dominates, and trials per hour tell what it saves to train once what several trials share.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from matplotlib.figure import Figure

import taskgrove
from benchmarks.measure import machine, parser
from benchmarks.page import Page, Row, save
from taskgrove.reports.analyses.searched import Searched, TrialResult

RECIPE = Path(__file__).parents[1] / "recipes" / "split_cifar100_search.toml"
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000")
_MARKERS = "osD^v"


def dominated(front: Sequence[TrialResult], worst: tuple[float, float]) -> float:
    """The area between a front and a worst point, in gain times millions of parameters.

    Args:
        front: By parameters, rising in gain.
        worst: Gain and parameters that every point is better than.
    """
    gain, right = worst
    area = 0.0
    for trial in front:
        area += max(0.0, trial.gain - gain) * max(0, right - trial.params) / 1e6
        gain = max(gain, trial.gain)
    return area


def row(name: str, searched: Searched, worst: tuple[float, float]) -> Row:
    """Of the table of samplers."""
    trials = searched.trials
    computed, known = sum(t.computed for t in trials), sum(t.remembered for t in trials)
    return {
        "sampler": name,
        "trials": len(trials),
        "on the front": len(searched.front),
        "most gain, %": f"{100 * max(t.gain for t in trials):.1f}",
        "least parameters, k": f"{min(t.params for t in trials) / 1e3:.0f}",
        "area dominated": f"{dominated(searched.front, worst):.3f}",
        "jobs done": computed,
        "jobs remembered": known,
        "trials per hour": round(3600 * len(trials) / sum(t.seconds for t in trials), 1),
    }


def front_rows(found: Mapping[str, Searched]) -> list[Row]:
    """The Pareto fronts."""
    return [
        {
            "sampler": name,
            "trial": trial.number,
            "δ": f"{trial.delta:.2f}" if trial.delta is not None else "–",
            "gain, %": f"{100 * trial.gain:.1f}",
            "the paper's Δ": f"{trial.paper_delta:.2f}",
            "parameters, k": f"{trial.params / 1e3:.0f}",
        }
        for name, searched in found.items()
        for trial in searched.front
    ]


def draw(found: Mapping[str, Searched]) -> Figure:
    """Parameters against gain, with each sampler's front; δ against gain (the paper's figures)."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for (name, searched), color, marker in zip(found.items(), _COLORS, _MARKERS, strict=False):
        x = [trial.params / 1e6 for trial in searched.trials]
        y = [100 * trial.gain for trial in searched.trials]
        left.scatter(x, y, s=22, color=color, marker=marker, alpha=0.55, label=name, zorder=3)
        front = searched.front
        left.step(
            [t.params / 1e6 for t in front], [100 * t.gain for t in front], color=color, where="post", lw=1.2
        )
        known = [t for t in searched.trials if t.delta is not None]
        right.scatter(
            [t.delta for t in known],
            [100 * t.gain for t in known],
            s=22,
            color=color,
            marker=marker,
            alpha=0.55,
            zorder=3,
        )
    left.set_xlabel("distinct parameters of all tasks (millions)")
    left.set_ylabel("gain over independent nets (%)")
    right.set_xlabel("grow coefficient δ (mean over tasks)")
    for axes in (left, right):
        axes.axhline(0, color="#999999", linewidth=0.8)
        axes.grid(color="#eeeeee")
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure


def measure(arguments: argparse.Namespace, folder: Path) -> tuple[Page, Figure]:
    """All searches, one after the other."""
    conditions = machine(torch.device("cpu"), 1)
    spec, settings = taskgrove.read_search(arguments.recipe)
    found: dict[str, Searched] = {}
    cases = [(sampler, True) for sampler in arguments.samplers]
    if not arguments.no_repeat:
        cases.append((arguments.samplers[0], False))
    for sampler, sharing in cases:
        name = sampler if sharing else f"{sampler}, nothing shared"
        found[name] = taskgrove.search(
            spec,
            folder / f"{name} base",
            folder / name,
            settings=replace(settings, sampler=sampler),
            trials=arguments.trials,
            sharing=sharing,
        )
    every = [trial for searched in found.values() for trial in searched.trials]
    worst = (min(t.gain for t in every), max(t.params for t in every) * 1.0)
    page = Page(
        title=f"{spec.name}: searches over grow sequences",
        conditions={**conditions, "recipe": arguments.recipe.name, "trials": arguments.trials},
        tables={
            "Samplers": [row(name, one, worst) for name, one in found.items()],
            "Pareto fronts": front_rows(found),
        },
        notes=[
            *([arguments.note] if arguments.note else []),
            "Area dominated: between a front and the point with the least gain and the most parameters of "
            "all trials, in gain times millions of parameters; more is better. Jobs are trainings, "
            "comparisons, validations and tests; what another trial of the search had done is remembered. "
            "Trials per hour are one after the other.",
        ],
    )
    return page, draw({name: one for name, one in found.items() if "nothing shared" not in name})


def main(given: list[str] | None = None) -> None:
    """Read the command line, search, keep the page."""
    reader = parser(__doc__)
    reader.add_argument("--recipe", type=Path, default=RECIPE)
    reader.add_argument("--trials", type=int, default=20, help="of every search")
    reader.add_argument("--samplers", nargs="+", default=["nsga2", "random", "grid"])
    reader.add_argument("--no-repeat", action="store_true", help="leave out the search that shares nothing")
    reader.add_argument("--note", default="", help="what a reader must know of the data")
    reader.add_argument(
        "--folder",
        type=Path,
        help="where to keep all trials; those that are there are not repeated; default: nowhere",
    )
    arguments = reader.parse_args(given)
    with TemporaryDirectory(prefix="taskgrove-") as folder:
        page, picture = measure(arguments, arguments.folder or Path(folder))
    save(page, arguments.out, picture)


if __name__ == "__main__":
    main()
