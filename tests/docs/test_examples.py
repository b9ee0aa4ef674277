"""The packages in `examples/` work as they would when installed, beside everything else."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from taskgrove.domain.records import FinishChild
from taskgrove.experiment.places import check_store, open_store
from tests.docs.markdown_blocks import ROOT
from tests.forked import ended, program, start
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


def installed(example: Path, folder: Path) -> tuple[str, str]:
    """Where a process looks for modules in which the package is installed, without asking an index for it."""
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
    return str(folder), str(example)


def program_with(path: tuple[str, str], *words: str) -> None:
    """The command line where modules are also looked for there."""
    sys.path[:0] = path
    program(*words)


def own_tests(path: tuple[str, str]) -> None:
    """The tests of an installed example."""
    sys.path[:0] = path
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", path[1]]))


def said(act: Callable[..., None], *arguments: object, folder: Path) -> str:
    """What a process prints that ends well."""
    out = folder / "said.txt"
    out.unlink(missing_ok=True)
    assert ended(start(act, *arguments, out=out)) == 0, out.read_text()
    return out.read_text()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_passes_its_own_tests(example: Path, tmp_path: Path) -> None:
    assert "passed" in said(own_tests, installed(example, tmp_path), folder=tmp_path)


def test_a_users_agent_takes_part_beside_others(tmp_path: Path) -> None:
    path = installed(ROOT / "examples" / "top_down", tmp_path)
    assert "top_down" in said(program_with, path, "list", "agents", folder=tmp_path)
    experiment, grove = written(tmp_path, MIXED), str(tmp_path / "grove")
    said(program_with, path, "run", str(experiment), "--store", grove, folder=tmp_path)
    history = list(open_store(grove).history())
    methods = {c.operation.task: c.operation.agent for c in history if isinstance(c.operation, FinishChild)}
    assert methods == {"a": "mu2net_plus", "b": "top_down"}
    assert check_store(grove).ok
