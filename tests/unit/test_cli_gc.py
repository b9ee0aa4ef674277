"""`taskgrove gc` deletes what it says, and a dry run only says it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from taskgrove.cli.main import app
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.testing.scripts import life, play

STEPS = life(("a", "b"), 3)


@pytest.fixture
def grove(tmp_path: Path) -> Path:
    store = Store.create(LocalBackend(tmp_path / "grove"))
    play(store, STEPS)
    store.put_blob(b"orphan")
    return tmp_path / "grove"


def gc(grove: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["gc", str(grove), *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def blobs(grove: Path) -> set[str]:
    return {path.name for path in (grove / "blobs").glob("*/*.safetensors")}


def test_an_orphan_goes_when_it_is_old_enough(grove: Path) -> None:
    before = blobs(grove)
    assert "left 1 alone" in gc(grove)
    assert blobs(grove) == before
    assert gc(grove, "--grace", "0").startswith("Deleted 1 of ")
    assert len(blobs(grove)) == len(before) - 1
    assert gc(grove, "--grace", "0").startswith("Deleted 0 of ")


def test_a_dry_run_tells_what_would_go_and_needs_no_right_to_write(grove: Path) -> None:
    before = blobs(grove)
    options = ("--grace", "0", "--keep-ancestors", "0", "--json")
    told = json.loads(gc(grove, *options, "--dry-run"))
    assert blobs(grove) == before
    done = json.loads(gc(grove, *options))
    assert {**told, "dry_run": False} == done
    assert len(blobs(grove)) == len(before) - done["num_condemned"]
    assert done["num_condemned"] > 1
    assert check(LocalBackend(grove)).ok


def test_a_negative_number_of_ancestors_is_refused(grove: Path) -> None:
    result = CliRunner().invoke(app, ["gc", str(grove), "--keep-ancestors", "-1"])
    assert "use 0 or more" in str(result.exception)
