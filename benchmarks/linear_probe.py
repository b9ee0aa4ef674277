"""How good the features of roots are: heads for the tasks of a suite on each root, frozen, over seeds.

    TASKGROVE_DATA=/path/to/npz/files python benchmarks/linear_probe.py random glyphs \\
        --seeds 0,1,2 --jobs 2 --out benchmarks/results/char8_probe_2cores_2026-11-21

writes that name with `.md`, `.json` and `.png`. Roots are named as in experiments: `random`, `glyphs`, a
file, `hub:<owner>/<repo>`. It is the method `multi_head` with one replica through `taskgrove.compare`,
with the defaults of 000, Table 1; under a minute a run on one core. The same command with the same
`--stores` continues what was interrupted.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from shutil import copyfile
from tempfile import mkdtemp

from rich.console import Console

import taskgrove
from taskgrove.cli.compare_progress import CompareDisplay
from taskgrove.experiment.comparison.variants import Variant
from taskgrove.experiment.decode import experiment_of

TRAIN = {"samples_cap": 2048, "batch_size": 64, "val_cap": 1000, "threads": 1}


def probe(root: str, arguments: argparse.Namespace) -> Variant:
    """The experiment that trains heads on one root."""
    table = {
        "name": "probe",
        "suite": arguments.suite,
        "root": {"member": arguments.member, "weights": root},
        "agent": {"method": "multi_head", "iterations": 1, "replicas": 1},
        "train": {**TRAIN, "cycles": arguments.cycles},
    }
    return Variant(name=f"{root} root", specs=(experiment_of(table),))


def main() -> None:
    """Read the command line, run, keep the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("roots", nargs="+", help="random, glyphs, a file, or hub:<owner>/<repo>")
    parser.add_argument("--member", default="vit-ti3")
    parser.add_argument("--suite", default="char8")
    parser.add_argument("--cycles", type=int, default=8, help="of at most 2,048 images")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="without suffix")
    parser.add_argument("--stores", type=Path, default=None, help="kept; a temporary folder by default")
    arguments = parser.parse_args()
    folder = arguments.stores or Path(mkdtemp(prefix="taskgrove-"))
    with CompareDisplay(Console(stderr=True)) as display:
        taskgrove.compare(
            [probe(root, arguments) for root in arguments.roots],
            folder,
            seeds=[int(seed) for seed in arguments.seeds.split(",")],
            jobs=arguments.jobs,
            title=f"Linear probe on {arguments.suite}: heads on the frozen {arguments.member}",
            observe=display.observe,
        )
    page = (folder / "compare.md").read_text(encoding="utf-8")
    for ending in (".md", ".json", ".png"):
        copyfile(folder / f"compare{ending}", f"{arguments.out}{ending}")
    Path(f"{arguments.out}.md").write_text(
        page.replace("compare.png", f"{arguments.out.name}.png"), encoding="utf-8"
    )
    Console().print(page)


if __name__ == "__main__":
    main()
