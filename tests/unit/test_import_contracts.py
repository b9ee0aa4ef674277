"""Every import contract bites: one forbidden import breaks it, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
NAMES = {contract["id"]: contract["name"] for contract in SETTINGS["contracts"]}


Offence = tuple[str, str]
"""An import that somebody might add: a file of the package, new or not, and the imported module."""

OFFENCES: dict[str, Offence] = {
    "layers": ("scoring/quality.py", "taskgrove.mutations.base"),
    "agents-decide": ("agents/population.py", "taskgrove.store.keys"),
    "trainer-executes": ("trainer/optim.py", "taskgrove.scoring.base"),
    "coordinator-connects": ("coordinator/schedule.py", "taskgrove.trainer.base"),
    "torch-free": ("mutations/mu.py", "torch"),
    "domain-stdlib": ("domain/ids.py", "numpy"),
    "readers-read": ("reports/quantities.py", "taskgrove.agents.base"),
    "backends-protected": ("coordinator/schedule.py", "taskgrove.store.backends.memory"),
    "siblings-mutations": ("mutations/kinds/second.py", "taskgrove.mutations.kinds.change_mu"),
    "siblings-sources": ("tasks/sources/second.py", "taskgrove.tasks.sources.arrays"),
    "siblings-families": ("backbones/families/second.py", "taskgrove.backbones.families.vit.family"),
    "siblings-backends": ("store/backends/second.py", "taskgrove.store.backends.memory"),
    "siblings-methods": ("agents/methods/second.py", "taskgrove.agents.methods.mu2net_plus"),
    "siblings-executors": ("coordinator/executors/second.py", "taskgrove.coordinator.executors.inline"),
    "siblings-measures": (
        "trainer/similarity/measures/second.py",
        "taskgrove.trainer.similarity.measures.rsa",
    ),
    "siblings-charts": ("reports/charts/second.py", "taskgrove.reports.charts.cost"),
    "rooms-of-reports": ("reports/drawing/look.py", "taskgrove.reports.words.log"),
    "acyclic": ("domain/ids.py", "taskgrove.domain.records"),
}
"""By the contract that it breaks."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and its contracts."""
    folder = tmp_path_factory.mktemp("contracts")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "taskgrove", folder / "taskgrove", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def broken(folder: Path) -> set[str]:
    """Ids of the contracts that the package in `folder` breaks."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    named = set(re.findall(r"^(.*) BROKEN$", done.stdout, re.MULTILINE))
    return {identity for identity, name in NAMES.items() if name in named}


def broken_by(folder: Path, offence: Offence) -> set[str]:
    """Ids of the contracts that the package breaks once `offence` is committed; it is undone again."""
    file, imported = offence
    path = folder / "taskgrove" / file
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.write_text(f"{before or ''}\nimport {imported}\n", encoding="utf-8")
    try:
        return broken(folder)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before, encoding="utf-8")


def test_every_contract_is_proven() -> None:
    assert set(OFFENCES) == set(NAMES)


def test_the_package_keeps_all_contracts(copy: Path) -> None:
    assert broken(copy) == set()


@pytest.mark.parametrize("contract", sorted(OFFENCES))
def test_a_forbidden_import_breaks_its_contract_alone(copy: Path, contract: str) -> None:
    assert broken_by(copy, OFFENCES[contract]) == {contract}


def test_a_new_room_must_be_placed_in_a_layer(copy: Path) -> None:
    (copy / "taskgrove" / "cellar").mkdir()
    try:
        assert broken_by(copy, ("cellar/__init__.py", "json")) == {"layers"}
    finally:
        shutil.rmtree(copy / "taskgrove" / "cellar")


def test_every_plug_in_folder_has_a_contract_for_siblings() -> None:
    folders = {p.parent for p in (ROOT / "taskgrove").rglob("__init__.py") if "Registry[" in p.read_text()}
    modules = {".".join((*folder.relative_to(ROOT).parts, "*")) for folder in folders}
    guarded = {m for c in SETTINGS["contracts"] if c["type"] == "independence" for m in c["modules"]}
    assert modules == guarded
