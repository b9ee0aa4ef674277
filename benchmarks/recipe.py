"""Run a recipe, or the variants of one, over seeds and keep the page: what it gave and what it ran on.

    python benchmarks/recipe.py recipes/char6.toml --seeds 0,1,2 --out benchmarks/results/char6_2cores

writes that name with `.md`, `.json` and `.png` (the multitask graph of the first variant's first seed)
from the files of `taskgrove compare`, whose folder is `--stores`. Files are named for theme, hardware
and date; the same command continues what was interrupted.
"""

from __future__ import annotations

import argparse
import subprocess
import tomllib
from pathlib import Path
from shutil import copyfile
from tempfile import mkdtemp

from rich.console import Console

import taskgrove
from taskgrove.cli.compare_progress import CompareDisplay
from taskgrove.experiment.comparison.variants import Variant
from taskgrove.experiment.decode import VARIANTS


def variants_of(recipe: Path) -> tuple[Variant, ...]:
    """Those of the file, or the whole file as the only one."""
    if VARIANTS in tomllib.loads(recipe.read_text()):
        return taskgrove.read_variants(recipe)
    return (Variant(name=recipe.stem, specs=taskgrove.read_segments(recipe)),)


def code_version() -> str:
    """The commit that is checked out."""
    git = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "no commit"


def main() -> None:
    """Read the command line, run, keep the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="without suffix")
    parser.add_argument("--stores", type=Path, default=None, help="kept; a temporary folder by default")
    arguments = parser.parse_args()
    folder = arguments.stores or Path(mkdtemp(prefix="taskgrove-"))
    variants, seeds = variants_of(arguments.recipe), [int(seed) for seed in arguments.seeds.split(",")]
    with CompareDisplay(Console(stderr=True)) as display:
        taskgrove.compare(
            variants,
            folder,
            seeds=seeds,
            jobs=arguments.jobs,
            title=f"{arguments.recipe} at {code_version()}",
            observe=display.observe,
        )
    first = folder / variants[0].slug / f"seed{seeds[0]}"
    taskgrove.open(first, writable=False).report(folder / "report")
    picture = arguments.out.with_suffix(".png")
    copyfile(folder / "report" / "graph.png", picture)
    page = (folder / "compare.md").read_text().replace("compare.png", picture.name)
    arguments.out.with_suffix(".md").write_text(page)
    copyfile(folder / "compare.json", arguments.out.with_suffix(".json"))
    Console().print(page)


if __name__ == "__main__":
    main()
