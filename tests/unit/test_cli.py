"""The main job from the command line, on a tiny system; every answer also as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from taskgrove.cli.main import app
from taskgrove.domain.errors import UnknownNameError
from taskgrove.experiment.catalogue import CATALOGUE

GROW = ["--iterations", "1", "--cycles", "1", "--batch-size", "16", "--precision", "fp32"]
OPTIONS = ["--option", "generations=1", "--option", "children=2", "--default", "opt.lr=0.05"]


def call(*words: str | Path) -> str:
    """What a command prints on standard output; it must succeed."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def answer(*words: str | Path) -> Any:
    """The JSON that a command prints."""
    return json.loads(call(*words, "--json"))


def write_task(path: Path) -> Path:
    """Two classes of noisy images, one brighter."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    images = (rng.integers(0, 100, (120, 8, 8)) + 120 * labels[:, None, None]).astype(np.uint8)
    np.savez(path, x_train=images[:90], y_train=labels[:90], x_test=images[90:], y_test=labels[90:])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a grown system in `grove`."""
    made = tmp_path_factory.mktemp("cli")
    data = write_task(made / "light.npz")
    call("init", made / "grove", "--root", "vit-tiny-test")
    call("task", "add", made / "grove", "light", f"npz:{data}")
    call(
        "task", "add", made / "grove", "dark", f"npz:{data}", "--val", "train[:20%]", "--train", "train[20%:]"
    )
    call("grow", made / "grove", *GROW, *OPTIONS)
    return made


def test_init_says_what_the_root_is(tmp_path: Path) -> None:
    said = call("init", tmp_path / "grove", "--root", "vit-tiny-test")
    assert "vit-tiny-test" in said
    assert "random initialisation" in said


def test_tasks_are_listed_with_their_splits(folder: Path) -> None:
    light, dark = answer("task", "list", folder / "grove")
    assert (light["task"], light["classes"]) == ("light", 2)
    assert light["sizes"] == {"train": 81, "val": 9, "test": 30}
    assert dark["splits"] == {"train": "train[20%:]", "val": "train[:20%]", "test": "test"}
    assert "dark" in call("task", "list", folder / "grove")


def test_status_tells_accuracies_and_sizes(folder: Path) -> None:
    data = answer("status", folder / "grove")
    rows = {row["task"]: row for row in data["tasks"]}
    assert set(rows) == {"light", "dark"}
    assert 0 <= rows["light"]["test_accuracy"] <= 1
    assert rows["light"]["num_params"] > 0
    assert data["spent"]["grow-1"]["children"] == 4
    assert "used 4 children" in call("status", folder / "grove")


def test_the_log_has_a_line_per_commit(folder: Path) -> None:
    everything = answer("log", folder / "grove", "--last", "0")
    assert len(everything) == 1 + 2 + 1 + 2 * (1 + 2 + 1 + 1 + 1)
    assert answer("log", folder / "grove", "-n", "3") == everything[-3:]
    assert "test accuracy of dark" in call("log", folder / "grove", "-n", "2").replace("\n", " ")


def test_show_describes_a_model(folder: Path) -> None:
    data = answer("show", folder / "grove", "light")
    assert data["task"] == "light"
    assert [slot["slot"] for slot in data["slots"]][-1] == "head"
    assert "hyperparameters" in call("show", folder / "grove", "light")


def test_predict_reads_photographs_and_arrays(folder: Path, tmp_path: Path) -> None:
    bright = np.full((20, 30), 220, np.uint8)
    Image.fromarray(bright).save(tmp_path / "bright.png")
    np.save(tmp_path / "two.npy", np.stack([bright, bright // 8]))
    found = answer("predict", folder / "grove", "light", tmp_path / "bright.png", tmp_path / "two.npy")
    assert [row["image"].rpartition("/")[2] for row in found] == ["bright.png", "two.npy[0]", "two.npy[1]"]
    assert all(row["class"] in ("0", "1") and 0.5 <= row["probability"] <= 1 for row in found)


def test_predict_asks_several_tasks_about_the_same_images(folder: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 30), 220, np.uint8)).save(tmp_path / "x.png")
    alone = [answer("predict", folder / "grove", task, tmp_path / "x.png")[0] for task in ("dark", "light")]
    together = answer("predict", folder / "grove", "dark", tmp_path / "x.png", "--also", "light")
    assert together == alone
    assert [row["task"] for row in together] == ["dark", "light"]


def test_evaluate_measures_what_was_recorded(folder: Path) -> None:
    rows = answer("evaluate", folder / "grove")
    assert {row["task"] for row in rows} == {"light", "dark"}
    assert all(row["accuracy"] == row["recorded"] for row in rows)
    (train,) = answer("evaluate", folder / "grove", "light", "--split", "train")
    assert (train["images"], train["recorded"]) == (81, None)


def test_report_writes_pictures(folder: Path, tmp_path: Path) -> None:
    page = Path(call("report", folder / "grove", tmp_path / "report").strip().replace("\n", ""))
    assert page == tmp_path / "report" / "index.html"
    for name in ("graph.png", "graph.svg", "progress.png"):
        assert (tmp_path / "report" / "pictures" / name).stat().st_size > 100
    for name in ("tasks.json", "tasks.csv", "graph.csv"):
        assert (tmp_path / "report" / "tables" / name).stat().st_size > 100


def test_a_report_can_be_of_some_charts_and_formats(folder: Path, tmp_path: Path) -> None:
    words = ("--only", "graph,progress", "--format", "svg", "--format", "md", "--title", "Two")
    page = Path(call("report", folder / "grove", tmp_path / "some", *words).strip().replace("\n", ""))
    found = {str(path.relative_to(tmp_path / "some")) for path in (tmp_path / "some").rglob("*.*")}
    assert found == {"report.md", "pictures/graph.svg", "pictures/progress.svg"}
    assert page.read_text().startswith("# Two\n\n## Multitask graph\n")
    for option, wrong, near in (("--only", "grph", "graph"), ("--format", "pgn", "png")):
        result = CliRunner().invoke(
            app, ["report", str(folder / "grove"), str(tmp_path / "no"), option, wrong]
        )
        assert isinstance(result.exception, UnknownNameError)
        assert wrong in str(result.exception)
        assert near in str(result.exception)
    assert not (tmp_path / "no").exists()


def test_check_finds_the_store_sound(folder: Path) -> None:
    data = answer("check", folder / "grove")
    assert (data["ok"], data["problems"]) == (True, [])
    assert "sound" in call("check", folder / "grove", "--fast")


@pytest.mark.parametrize("what", list(CATALOGUE))
def test_what_is_registered_is_listed_with_a_line_each(what: str) -> None:
    lines = answer("list", what)
    assert lines
    assert all(isinstance(text, str) and text for text in lines.values())
    assert all(name in call("list", what) for name in lines)


@pytest.mark.usefixtures("no_pictures")
def test_an_experiment_runs_from_one_file_and_then_has_nothing_left_to_do(tmp_path: Path) -> None:
    data = write_task(tmp_path / "light.npz")
    (tmp_path / "e.toml").write_text(
        f"""
        name = "small"
        root.member = "vit-tiny-test"
        agent = {{ iterations = 1, generations = 1, children = 2 }}
        score.scale = 0.9
        train = {{ cycles = 1, batch_size = 16, precision = "fp32" }}
        [defaults]
        opt.lr = 0.05
        [[tasks]]
        name = "light"
        source = "npz:{data}"
        """
    )
    words = ("run", tmp_path / "e.toml", "--store", tmp_path / "grove")
    first = json.loads(call(*words, "--report", tmp_path / "report", "--json"))
    assert (tmp_path / "report" / "report.md").exists()
    commits = len(answer("log", tmp_path / "grove", "-n", "0"))
    assert answer(*words) == first
    assert len(answer("log", tmp_path / "grove", "-n", "0")) == commits


def test_growing_again_adds_iterations(folder: Path, tmp_path: Path) -> None:
    data = write_task(tmp_path / "light.npz")
    call("init", tmp_path / "grove", "--root", "vit-tiny-test")
    call("task", "add", tmp_path / "grove", "light", f"npz:{data}")
    for times in (1, 2):
        call("grow", tmp_path / "grove", *GROW, *OPTIONS)
        assert answer("status", tmp_path / "grove")["tasks"][0]["iterations"] == times
