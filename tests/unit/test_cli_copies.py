"""Mirror, fork, check and heal from the command line, on a system that has grown."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from taskgrove.cli import counting as module
from taskgrove.cli.counting import Counting
from taskgrove.cli.main import app
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.keys import record_key
from tests.unit.test_cli import GROW, OPTIONS, answer, call, write_task


@pytest.fixture(scope="module")
def grove(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grown system; its tests may tag it, not damage it."""
    made = tmp_path_factory.mktemp("copies")
    call("init", made / "grove", "--root", "vit-tiny-test")
    call("task", "add", made / "grove", "light", f"npz:{write_task(made / 'light.npz')}")
    call("grow", made / "grove", *GROW, *OPTIONS)
    return made / "grove"


def failing(*words: str | Path) -> Any:
    """The JSON that a command prints that ends with exit code 4."""
    result = CliRunner().invoke(app, [*map(str, words), "--json"], catch_exceptions=False)
    assert result.exit_code == 4, result.output
    return json.loads(result.stdout)


def a_blob(place: Path) -> Path:
    return next(iter(sorted(place.glob("blobs/*/*.safetensors"))))


def test_a_mirror_is_made_and_brought_up_to_date(grove: Path, tmp_path: Path) -> None:
    first = answer("mirror", grove, tmp_path / "mirror")
    assert first["ok"]
    assert first["num_bytes"] > 0
    again = call("mirror", grove, tmp_path / "mirror")
    assert again.startswith("0 commits and 0 blobs (0 B) copied, ")
    assert answer("check", tmp_path / "mirror")["ok"]
    assert answer("status", tmp_path / "mirror") == answer("status", grove)


def test_a_fork_grows_on_its_own(grove: Path, tmp_path: Path) -> None:
    before = answer("log", grove, "-n", "0")
    said = call("fork", grove, tmp_path / "fork", "--at", "HEAD")
    assert f"goes on from commit {len(before) - 1} of {grove}, which keeps" in said
    call("grow", tmp_path / "fork", *GROW, *OPTIONS)
    assert len(answer("log", tmp_path / "fork", "-n", "0")) > len(before) + 3
    assert len(answer("log", grove, "-n", "0")) == len(before) + 1  # the tag
    assert answer("check", tmp_path / "fork")["ok"]
    assert answer("evaluate", tmp_path / "fork", "light")


def test_a_fork_begins_at_a_tag(grove: Path, tmp_path: Path) -> None:
    call("tag", grove, "early", "--at", "2")
    assert answer("fork", grove, tmp_path / "fork", "--at", "early")["number"] == 2


def test_damage_is_healed_from_a_mirror(grove: Path, tmp_path: Path) -> None:
    call("mirror", grove, tmp_path / "one")
    call("mirror", grove, tmp_path / "two")
    a_blob(tmp_path / "one").write_bytes(b"damaged")
    LocalBackend(tmp_path / "one").delete([record_key(1)])
    found = failing("check", tmp_path / "one")
    assert "11 numbers are missing" in found["problems"][0]
    assert not failing("check", tmp_path / "one", "--fast")["ok"]
    healed = answer("check", tmp_path / "one", "--heal-from", tmp_path / "two")
    assert (healed["ok"], len(healed["healed"])) == (True, 2)
    assert call("check", tmp_path / "one").endswith("sound.\n")


def test_a_damaged_source_ends_the_mirror_with_exit_code_4(grove: Path, tmp_path: Path) -> None:
    call("mirror", grove, tmp_path / "one")
    a_blob(tmp_path / "one").write_bytes(b"damaged")
    found = failing("mirror", tmp_path / "one", tmp_path / "two")
    assert len(found["problems"]) == 1


def test_far_from_a_terminal_progress_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EVERY_S", 0.0)
    text = io.StringIO()
    with Counting(Console(file=text, width=80)) as counting:
        counting.told("copying blobs (bytes)", 1_500_000, 3_000_000)
        counting.told("reading commits", 12, 0)
    assert text.getvalue() == "copying blobs: 1.50 MB of 3.00 MB · ETA 0 s\nreading commits: 12\n"


def test_on_a_terminal_progress_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.StringIO()
    with Counting(Console(file=text, width=80, force_terminal=True)) as counting:
        counting.told("hashing blobs (bytes)", 0, 3_000_000)
        counting.told("hashing blobs (bytes)", 3_000_000, 3_000_000)
    assert "hashing blobs" in text.getvalue()
    assert "3.00 MB of 3.00 MB" in text.getvalue()
