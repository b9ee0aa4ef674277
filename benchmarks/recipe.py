"""Run a recipe over seeds and write its table: mean ± std, the budget used, what it ran on.

    python benchmarks/recipe.py recipes/char6.toml --seeds 0 1 2 --out benchmarks/char6_2cores_2026-11-21

writes that name with `.md`, `.json` and `.png` (the multitask graph of the first seed), and keeps each
seed's system and report in `--stores`. Files are named for theme, hardware and date.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shutil import copyfile
from statistics import fmean, stdev
from tempfile import mkdtemp

import torch
from rich.console import Console

from taskgrove.cli.progress import GrowDisplay
from taskgrove.domain.records import Commit, FinishChild
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.decode import read_experiment
from taskgrove.experiment.spec import ExperimentSpec
from taskgrove.reports.quantities import human
from taskgrove.reports.table import TaskRow, Totals, per_task, totals
from taskgrove.version import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one seed gave.

    Attributes:
        wall_s: Of the whole run, reading the data included.
        children, samples: The budget that was used: children trained, training images.
        train_s: Of the children's training alone.
    """

    seed: int
    rows: list[TaskRow]
    total: Totals
    wall_s: float
    children: int
    samples: int
    train_s: float


def run_seed(spec: ExperimentSpec, seed: int, store: Path) -> Outcome:
    """Run the experiment with one seed, of search and root alike."""
    seeded = replace(spec, seed=seed, root=replace(spec.root, seed=seed))
    began = time.perf_counter()
    grove = open_or_create(store, seeded.root)
    with GrowDisplay(Console(stderr=True)) as display:
        view = grove.run(seeded, display.observe, display.watch)
    wall_s = time.perf_counter() - began
    grove.report(store.parent / f"report-{seed}", title=f"{spec.name}, seed {seed}")
    finished = [c for c in grove.store.history() if isinstance(c.operation, FinishChild)]
    return Outcome(
        seed=seed,
        rows=per_task(view, grove.evaluations()),
        total=totals(view, grove.evaluations()),
        wall_s=wall_s,
        children=len(finished),
        samples=sum(_samples(c) for c in finished),
        train_s=sum(c.seconds["train"] for c in finished),
    )


def _samples(commit: Commit) -> int:
    operation = commit.operation
    assert isinstance(operation, FinishChild)
    return operation.result.samples if operation.result is not None else 0


def spread(values: list[float], scale: float = 1.0, digits: int = 1) -> str:
    """Mean ± sample standard deviation; the mean alone for one value."""
    scaled = [value * scale for value in values]
    if len(scaled) == 1:
        return f"{scaled[0]:.{digits}f}"
    return f"{fmean(scaled):.{digits}f} ± {stdev(scaled):.{digits}f}"


def code_version() -> str:
    """Of the package, with the commit that is checked out."""
    git = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return f"{__version__} at {commit or 'no commit'}"


def as_markdown(spec: ExperimentSpec, recipe: Path, code: str, outcomes: list[Outcome], picture: str) -> str:
    """The table with what is needed to repeat it."""
    lines = [
        f"# {spec.name}: {recipe}",
        "",
        *_conditions(spec, code, outcomes),
        "",
        "| task | classes | validation % | test % | accounted params | FLOPs |",
        "|---|---|---|---|---|---|",
    ]
    for rows in zip(*(outcome.rows for outcome in outcomes), strict=True):
        lines.append(
            f"| {rows[0].task} | {rows[0].num_classes} | {spread([r.val_accuracy or 0 for r in rows], 100)} "
            f"| {spread([r.test_accuracy or 0 for r in rows], 100)} "
            f"| {human(fmean([r.accounted_params or 0 for r in rows]))} "
            f"| {human(fmean([r.flops or 0 for r in rows]))} |"
        )
    lines += ["", *_summary(outcomes), "", f"![multitask graph, seed {outcomes[0].seed}]({picture})", ""]
    return "\n".join(lines)


def _conditions(spec: ExperimentSpec, code: str, outcomes: list[Outcome]) -> list[str]:
    return [
        f"- seeds {', '.join(str(o.seed) for o in outcomes)} (search and root); Taskgrove {code}, "
        f"torch {torch.__version__}, Python {platform.python_version()}",
        f"- {os.cpu_count()} cores ({platform.machine()}), {time.strftime('%Y-%m-%d')}; root "
        f"{spec.root.member}, {spec.root.weights or 'random initialisation'}; agent {spec.agent.method}",
        f"- budget per run: {outcomes[0].children} children, "
        f"{spread([float(o.samples) for o in outcomes], 1e-6, 2)} M training images, "
        f"{spread([o.wall_s for o in outcomes], 1 / 60)} min wall, of which training children "
        f"{spread([o.train_s for o in outcomes], 1 / 60)} min",
    ]


def _summary(outcomes: list[Outcome]) -> list[str]:
    tests = [o.total.mean_test_accuracy or 0.0 for o in outcomes]
    per_task_params = [o.total.accounted_params / max(o.total.num_models, 1) for o in outcomes]
    return [
        f"Mean test accuracy {spread(tests, 100, 2)} %; accounted parameters per task "
        f"{spread(per_task_params, 1e-6, 2)} M; distinct parameters with the root "
        f"{spread([float(o.total.distinct_params) for o in outcomes], 1e-6, 2)} M.",
    ]


def main() -> None:
    """Read the command line, run the seeds, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, required=True, help="without suffix")
    parser.add_argument("--stores", type=Path, default=None, help="kept; a temporary folder by default")
    arguments = parser.parse_args()
    spec = read_experiment(arguments.recipe)
    code = code_version()
    stores = arguments.stores or Path(mkdtemp(prefix="taskgrove-"))
    outcomes = [run_seed(spec, seed, stores / f"store-{seed}") for seed in arguments.seeds]
    picture = arguments.out.with_suffix(".png")
    copyfile(stores / f"report-{outcomes[0].seed}" / "graph.png", picture)
    page = as_markdown(spec, arguments.recipe, code, outcomes, picture.name)
    arguments.out.with_suffix(".md").write_text(page)
    data = [{**asdict(o), "rows": [asdict(r) for r in o.rows], "total": asdict(o.total)} for o in outcomes]
    arguments.out.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n")
    Console().print(page)


if __name__ == "__main__":
    main()
