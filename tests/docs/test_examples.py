"""The packages in `examples/` work as they would when installed, beside everything else."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from taskgrove.domain.records import FinishChild
from taskgrove.experiment.places import check_store, open_store
from tests.docs.markdown_blocks import ROOT
from tests.unit.small_experiments import SMALL, written

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/pyproject.toml"))
MIXED = (
    SMALL
    + """
[[tasks]]
name = "b"
source = "npz:{folder}/b.npz"
[[groups]]
tasks = ["b"]
agent = { method = "top_down", children = 2 }
"""
)


def installed(example: Path, folder: Path) -> dict[str, str]:
    """The environment of a process in which the package is installed, without asking an index for it."""
    project = tomllib.loads((example / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {target}" for name, target in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    name, version = project["name"], project["version"]
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    path = os.pathsep.join((str(folder), str(example), str(ROOT)))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def program(environment: dict[str, str], *words: str) -> str:
    code = "import sys; from taskgrove.cli.main import main; sys.exit(main())"
    return ended([sys.executable, "-c", code, *words], environment)


def ended(words: list[str], environment: dict[str, str], folder: Path | None = None) -> str:
    done = subprocess.run(
        words, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_passes_its_own_tests(example: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(example)]
    assert "passed" in ended(words, installed(example, tmp_path), tmp_path)


def test_a_users_agent_takes_part_beside_others(tmp_path: Path) -> None:
    environment = installed(ROOT / "examples" / "top_down", tmp_path)
    assert "top_down" in program(environment, "list", "agents")
    experiment, grove = written(tmp_path, MIXED), str(tmp_path / "grove")
    program(environment, "run", str(experiment), "--store", grove)
    history = list(open_store(grove).history())
    methods = {c.operation.task: c.operation.agent for c in history if isinstance(c.operation, FinishChild)}
    assert methods == {"a": "mu2net_plus", "b": "top_down"}
    assert check_store(grove).ok
