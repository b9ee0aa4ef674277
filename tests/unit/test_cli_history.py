"""History from the command line: as of a commit, from one to another, tags, notes, tasks that leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import taskgrove
from taskgrove.cli.main import app
from taskgrove.domain.errors import BadValueError, StorageAccessError, UnknownNameError
from taskgrove.experiment.spec import TrainSpec
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.store import Store
from taskgrove.testing.scripts import life, play

LAST = len(life()) - 1
SMALL = TrainSpec(cycles=1, batch_size=16, threads=1, precision="fp32")


def call(*words: str | Path) -> str:
    """What a command prints on standard output; it must succeed."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def answer(*words: str | Path) -> Any:
    """The JSON that a command prints."""
    return json.loads(call(*words, "--json"))


@pytest.fixture
def grove(tmp_path: Path) -> Path:
    """A system with a whole life behind it, whose models nobody could run."""
    play(Store.create(LocalBackend(tmp_path / "grove")), life())
    return tmp_path / "grove"


def test_status_is_that_of_the_commit(grove: Path) -> None:
    assert answer("status", grove)["number"] == LAST
    then = answer("status", grove, "--at", "~30")
    assert (then["number"], [row["model"] for row in then["tasks"]]) == (LAST - 30, [None, None])


def test_status_says_what_sharing_saves_in_bytes(grove: Path) -> None:
    total = answer("status", grove)["totals"]
    assert total["distinct_bytes"] == 4 * total["distinct_params"]
    assert total["separate_bytes"] == 4 * total["separate_params"]
    assert total["sharing_ratio"] == total["separate_bytes"] / total["distinct_bytes"]
    trained = ("head a 1 1", "head b 1 1")  # in scripts, a parameter is a byte of the component
    assert total["momentum_bytes"] == 2 * sum(map(len, trained))
    assert f"{total['distinct_bytes']} B of weights" in " ".join(call("status", grove).split())


def test_the_log_is_cut_and_filtered(grove: Path) -> None:
    def numbers(*words: str) -> list[int]:
        return [line["number"] for line in answer("log", grove, *words)]

    assert numbers("-n", "2") == [LAST - 1, LAST]
    assert numbers("--since", "3", "--until", "5") == [3, 4, 5]
    assert numbers("--at", "5", "-n", "2") == [4, 5]
    assert numbers("--kind", "end_iteration", "-n", "0") == [9, 17, 25, 33]
    assert numbers("--kind", "end_iteration", "--task", "a") == [9, 25]
    assert numbers("--task", "a", "-n", "1") == [LAST - 8]
    with pytest.raises(UnknownNameError, match="Did you mean 'end_iteration'"):
        numbers("--kind", "end_iterations")
    with pytest.raises(UnknownNameError, match="'z'"):
        numbers("--task", "z")


def test_a_tag_is_given_listed_and_used(grove: Path) -> None:
    assert answer("tag", grove, "v1", "--at", "12") == {"tag": "v1", "commit": 12}
    assert call("tag", grove, "now") == f"now: commit {LAST + 1}.\n"
    assert answer("tag", grove) == [{"tag": "v1", "commit": 12}, {"tag": "now", "commit": LAST + 1}]
    assert "v1" in call("tag", grove)
    assert answer("status", grove, "--at", "v1")["number"] == 12
    assert answer("show", grove, "v1")["tags"] == ["v1"]
    assert "commit 12 tagged v1" in call("log", grove, "--kind", "tag")


def test_notes_are_written_and_listed(grove: Path) -> None:
    assert answer("note", grove, "about a", "--task", "a") == {"commit": LAST + 1}
    assert f"commit {LAST + 2}" in call("note", grove, "about everything")
    notes = answer("note", grove)
    assert [(note["task"], note["text"]) for note in notes] == [("a", "about a"), (None, "about everything")]
    assert answer("note", grove, "--task", "a") == notes[:1]
    assert "about everything" in call("note", grove)
    assert "note about a: about a" in call("log", grove, "-n", "2")


def test_a_task_leaves_when_that_is_confirmed(grove: Path) -> None:
    with pytest.raises(BadValueError, match="say --yes"):
        call("task", "retire", grove, "a")
    assert "retired in commit" in call("task", "retire", grove, "a", "--yes")
    assert [row["task"] for row in answer("status", grove)["tasks"]] == ["b"]
    assert answer("diff", grove, "~1")["left"] == ["a"]
    assert answer("show", grove, "a")["retired"] is True
    assert "task a retired" in call("log", grove, "--task", "a", "-n", "1")


def test_two_commits_are_compared(grove: Path) -> None:
    found = answer("diff", grove, "11", "HEAD")
    assert [change["task"] for change in found["changed"]] == ["a", "b"]
    assert found["changed"][0]["score"] == {"before": 0.5, "after": 0.5}
    assert found["changed"][1]["test_accuracy"] == {"before": None, "after": 0.75}
    assert "distinct parameters" in call("diff", grove, "11")


def test_what_is_shown_is_as_of_the_commit(grove: Path) -> None:
    now, then = answer("show", grove, "a"), answer("show", grove, "a", "--at", "11")
    assert now["model"] != then["model"]
    assert answer("show", grove, then["model"][:8])["state"] == "retired"
    assert answer("show", grove, then["model"][:8], "--at", "11")["state"] == "published"
    head = then["slots"][-1]["component"]
    assert answer("show", grove, head[:8])["published_in"] == []
    assert answer("show", grove, head[:8], "--at", "11")["published_in"] == ["a"]


def test_reading_leaves_the_store_as_it_is(grove: Path) -> None:
    before = {path: path.read_bytes() for path in grove.rglob("*") if path.is_file()}
    for words in (("status", "--at", "9"), ("show", "a"), ("diff", "9"), ("log",), ("tag",), ("note",)):
        call(words[0], grove, *words[1:])
    assert {path: path.read_bytes() for path in grove.rglob("*") if path.is_file()} == before


@pytest.mark.usefixtures("no_pictures")
def test_old_models_still_answer(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = (rng.integers(0, 100, (60, 8, 8)) + 120 * y[:, None, None]).astype(np.uint8)
    path = tmp_path / "grove"
    system = taskgrove.create(path, root="vit-tiny-test")
    system.add_task("light", taskgrove.arrays(x, y))
    system.grow(iterations=1, train=SMALL, options={"generations": 1, "children": 2})
    before = system.predict("light", x[:4])
    call("tag", path, "v1")
    system.grow(iterations=1, train=SMALL, options={"generations": 1, "children": 3})
    call("task", "retire", path, "light", "--yes")
    again = taskgrove.open(path).at("v1").predict("light", x[:4])
    np.testing.assert_array_equal(again.probabilities, before.probabilities)
    np.save(tmp_path / "x.npy", x[:4])
    rows = answer("predict", path, "light", tmp_path / "x.npy", "--at", "v1")
    assert [row["class"] for row in rows] == list(before.names)
    (measured,) = answer("evaluate", path, "--at", "v1")
    assert measured["accuracy"] == measured["recorded"]
    page = Path(call("report", path, tmp_path / "report", "--at", "v1").strip().replace("\n", ""))
    assert "1 task, 1 with a model" in page.read_text(encoding="utf-8")
    call("report", path, tmp_path / "now")
    with pytest.raises(StorageAccessError):
        taskgrove.open(path).at("v1").grow(iterations=1, train=SMALL)
