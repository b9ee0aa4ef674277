"""Suites in files: what is refused before any data is looked at, and how tasks are bound to data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import taskgrove
from taskgrove.cli.main import app
from taskgrove.domain.errors import (
    BadValueError,
    DuplicateNameError,
    TaskDataError,
    UnknownNameError,
    UserError,
)
from taskgrove.experiment.spec import ExperimentSpec, TaskEntry
from taskgrove.experiment.suites.binding import bound_tasks
from taskgrove.experiment.suites.looking import placed_tasks
from taskgrove.experiment.suites.reading import read_suite, suite_of
from taskgrove.experiment.suites.suite import Suite

GOOD = {
    "name": "a",
    "data_set": "caltech101",
    "classes": 102,
    "train": "train[:2754]",
    "val": "train[2754:]",
    "test": "test",
}


def write(folder: Path, *tasks: Mapping[str, object], top: str = "") -> Suite:
    """A suite of the tasks, read."""
    lists = [
        f"[[tasks]]\n{chr(10).join(f'{k} = {json.dumps(v)}' for k, v in task.items())}\n" for task in tasks
    ]
    path = folder / "own.toml"
    path.write_text("\n".join(['summary = "s"', top, *lists]), encoding="utf-8")
    return read_suite(path)


def sources_of(suite: Suite, **sources: str) -> dict[str, str]:
    return {entry.name: entry.source for entry in bound_tasks(suite, sources)}


def test_a_task_may_leave_out_what_its_suite_says_of_all(tmp_path: Path) -> None:
    task = {"name": "a", "val": "train[:100]"}
    suite = write(tmp_path, task, top='train = "train[100:]"\nsource = "npz:/d/{name}.npz"\nclasses = 3')
    assert suite.name == "own"
    assert suite.tasks[0].splits() == {"train": "train[100:]", "val": "train[:100]"}
    assert bound_tasks(suite) == (
        TaskEntry(name="a", source="npz:/d/a.npz", train="train[100:]", val="train[:100]", classes=3),
    )


@pytest.mark.parametrize(
    ("changed", "error", "tells"),
    [
        ({"data_set": "caltech10"}, UnknownNameError, r"own\.toml: task 'a': .*Did you mean 'caltech101'"),
        (
            {"val": "valid[5%:]"},
            UnknownNameError,
            r"val: .* split of caltech101 named 'valid'.*Known: test, train",
        ),
        ({"val": "tran[5%:]"}, UnknownNameError, r"Did you mean 'train'"),
        (
            {"val": "train[2754:4000]"},
            BadValueError,
            r"val: \[2754:4000\] of train goes beyond its 3,060 images",
        ),
        ({"val": "train[-4000:]"}, BadValueError, "goes beyond its 3,060"),
        ({"val": "test+train[3060:]"}, BadValueError, "names none of them"),
        ({"val": "train[5%"}, TaskDataError, "cannot be read"),
        ({"classes": 101}, BadValueError, "classes is 101, but the label 'label' of caltech101 has 102"),
        ({"label": "lable"}, UnknownNameError, r"no label of caltech101 named 'lable'.*Did you mean 'label'"),
        ({"beside.v": "cifar10_2"}, UnknownNameError, "'cifar10_2'"),
        ({"beside.v": "cifar10_1/v4", "val": "w.test"}, UnknownNameError, "Did you mean 'v.test'"),
        ({"name": "a/b"}, BadValueError, "cannot name a task"),
        ({"trian": "x"}, UnknownNameError, "Did you mean 'train'"),
        ({"classes": "many"}, BadValueError, r"tasks\[0\]\.classes must be int"),
    ],
)
def test_a_task_that_its_data_set_cannot_give_is_refused(
    changed: dict[str, object], error: type[UserError], tells: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=tells):
        write(tmp_path, {**GOOD, **changed})


def test_sizes_that_are_not_known_allow_any_slice(tmp_path: Path) -> None:
    splits = {"train": "train[900000:]", "val": "train[:10]", "test": "test"}
    assert write(tmp_path, {**GOOD, **splits, "data_set": "domainnet/real", "classes": 345}).tasks


def test_suites_that_contradict_themselves_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DuplicateNameError, match="a is named more than once"):
        write(tmp_path, GOOD, GOOD)
    with pytest.raises(BadValueError, match="val is left out"):
        write(tmp_path, {key: value for key, value in GOOD.items() if key != "val"})
    with pytest.raises(BadValueError, match="either parts"):
        write(tmp_path)
    with pytest.raises(BadValueError, match="either parts"):
        write(tmp_path, GOOD, top='parts = ["mccb"]')
    with pytest.raises(UnknownNameError, match=r"'mcb'.*Did you mean 'mccb'"):
        write(tmp_path, top='parts = ["mcb"]')
    with pytest.raises(BadValueError, match="'task-set-a' has parts itself"):
        write(tmp_path, top='parts = ["task-set-a"]')
    with pytest.raises(BadValueError, match="mean nothing without a data_set"):
        write(tmp_path, {"name": "a", "version": "1.0.0"})


def test_tasks_are_where_tensorflow_datasets_puts_them_unless_something_else_is_said() -> None:
    sources = sources_of(suite_of("task-set-a"))
    assert sources["emnist_digits"] == "tfds:emnist/digits?label=label"
    assert sources["kitti_count_vehicles_1k"] == "tfds:kitti:3.2.0?label=kitti_count_vehicles"
    assert sources["cifar10"] == "joined:tfds:cifar10?label=label;v1=tfds:cifar10_1/v4?label=label"


def test_a_template_is_filled_in_for_each_task_and_for_each_data_set_beside_it() -> None:
    suite = suite_of("vit-benchmark")
    sources = sources_of(suite, default="folder:/d/{data_set}", cifar10="npz:${HERE}/c10.npz")
    assert sources == {
        "imagenet2012": "joined:folder:/d/imagenet2012;v2=folder:/d/imagenet_v2/matched-frequency",
        "cifar100": "folder:/d/cifar100",
        "cifar10": "npz:${HERE}/c10.npz",
    }
    named = sources_of(suite, default="npz:/d/{name}.npz")["imagenet2012"]
    assert named == "joined:npz:/d/imagenet2012.npz;v2=npz:/d/imagenet_v2_matched-frequency.npz"


def test_what_the_experiment_says_goes_before_what_the_suite_says() -> None:
    sources = sources_of(suite_of("char8"), default="folder:/d/{name}", mnist="npz:/m.npz")
    assert (sources["mnist"], sources["kmnist"]) == ("npz:/m.npz", "folder:/d/kmnist")
    assert sources["arabic_letters"] == "folder:/d/arabic_letters"


def test_wrong_templates_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"task of the suite mccb named 'mnst'.*Did you mean 'mnist'"):
        sources_of(suite_of("mccb"), mnst="npz:/d.npz")
    with pytest.raises(
        UnknownNameError, match=r"placeholder in 'npz:\{nam\}' named 'nam'.*Did you mean 'name'"
    ):
        sources_of(suite_of("mccb"), default="npz:{nam}")
    with pytest.raises(BadValueError, match=r"task 'mnist' has none in the catalogue.*write \{name\}"):
        sources_of(suite_of("char8"), default="npz:{data_set}")


def read(folder: Path, text: str) -> ExperimentSpec:
    path = folder / "x.toml"
    path.write_text(f'name = "x"\n{text}', encoding="utf-8")
    return taskgrove.read_experiment(path)


def test_an_experiment_says_where_the_data_of_its_suite_are(tmp_path: Path) -> None:
    spec = read(tmp_path, 'suite = "mccb"\n[sources]\ndefault = "npz:/d/{name}.npz"\nmnist = "folder:/m"')
    assert [task.source for task in spec.tasks][2:4] == ["npz:/d/kmnist.npz", "folder:/m"]
    assert spec.tasks[-1].classes == 10


def test_sources_without_a_suite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadValueError, match="names no suite"):
        read(tmp_path, '[sources]\ndefault = "npz:/d/{name}.npz"\n[[tasks]]\nname = "a"\nsource = "npz:a"')


def test_a_segment_has_sources_for_its_own_suite(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        'name = "x"\nsuite = "mccb"\nsources.default = "npz:/d/{name}.npz"\n'
        '[[segments]]\nname = "one"\n[[segments]]\nname = "two"\nsuite = "vdd"\nsources.default = "folder:/v"'
    )
    one, two = taskgrove.read_segments(path)
    assert {task.source for task in one.tasks} < {task.source for task in two.tasks}
    assert two.tasks[-1].source == "folder:/v"


def write_npz(path: Path, num_classes: int) -> None:
    labels = np.arange(num_classes * 10) % num_classes
    images = np.random.RandomState(0).randint(0, 256, (len(labels), 8, 8)).astype(np.uint8)
    np.savez(path, x_train=images, y_train=labels, x_test=images[::-1], y_test=labels[::-1])


@pytest.fixture
def telugu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A system without tasks, in a folder with the data of one of the suite's tasks."""
    monkeypatch.chdir(tmp_path)
    write_npz(tmp_path / "cmaterdb_telugu.npz", 10)
    taskgrove.create("grove", root="vit-tiny-test")
    return "npz:cmaterdb_telugu.npz"


def test_data_with_another_number_of_classes_are_refused(telugu: str) -> None:
    grove = taskgrove.open("grove")
    with pytest.raises(
        TaskDataError, match=r"has 10 classes \(0, 1, .*, …\), but .* it has 12.*the wrong label"
    ):
        grove.add_task("a", telugu, classes=12)
    assert grove.add_task("a", telugu, classes=10).num_classes == 10
    with pytest.raises(BadValueError, match="at least two classes, got 1"):
        TaskEntry(name="a", source=telugu, classes=1)


def call(*words: str) -> str:
    """What a command prints; it must succeed."""
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_line_lists_a_suite_and_what_of_it_is_missing(telugu: str) -> None:
    bound = ("--source", "default=npz:{name}.npz")
    told = json.loads(call("list", "suites", "--of", "mccb", *bound, "--json"))
    assert [task["task"] for task in told if not task["missing"]] == ["cmaterdb_telugu"]
    assert told[-1]["splits"] == {"train": "train[20%:]", "val": "train[:20%]", "test": "test"}
    assert told[0]["missing"].endswith("/emnist_digits.npz")
    shown = call("list", "suites", "--of", "mccb", *bound)
    assert "npz:cmaterdb_telugu.npz" in shown
    assert shown.count("missing: ") == 7


def test_an_environment_variable_that_is_not_set_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKGROVE_DATA", raising=False)
    assert {task.missing for task in placed_tasks("glyphs")} == {"the environment variable TASKGROVE_DATA"}
    assert {task.missing for task in placed_tasks("glyphs8")} == {""}


def test_the_command_line_adds_a_suite_from_where_it_is_told(telugu: str, tmp_path: Path) -> None:
    for task in suite_of("mccb").tasks:
        write_npz(tmp_path / f"{task.name}.npz", task.classes or 0)
    np.savez(tmp_path / "omniglot.npz", **_omniglot())  # type: ignore[arg-type]
    told = call("task", "suite", "grove", "mccb", "--source", "default=npz:{name}.npz")
    assert "cmaterdb_telugu: 10 classes, 80 training images." in told
    assert len(taskgrove.open("grove").view().tasks) == 8


def _omniglot() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    """As many classes as there are, and the splits of the published experiment."""
    labels = np.arange(1623)
    images = np.random.RandomState(0).randint(0, 256, (1623, 8, 8)).astype(np.uint8)
    index = {f"small{i}_index_in_train": np.arange(10 * i) for i in (1, 2)}
    return {"x_train": images, "y_train": labels, **index}


@pytest.mark.parametrize(
    ("words", "tells"),
    [
        (["list", "suites", "--of", "mcb"], "Did you mean 'mccb'"),
        (["list", "agents", "--of", "mccb"], "--of looks at one of the suites"),
        (["list", "suites", "--source", "a=npz:a"], "name the suite with --of"),
        (["list", "suites", "--of", "mccb", "--source", "npz:{name}.npz"], "is not NAME=SOURCE"),
        (["list", "suites", "--of", "mccb", "--source", "npz:/d?a=b"], "is not NAME=SOURCE"),
        (["list", "suites", "--of", "mccb", "--source", "default=npy:{name}"], "Did you mean 'npz'"),
        (["task", "suite", "grove", "mccb", "--source", "mnits=npz:m.npz"], "Did you mean 'mnist'"),
    ],
)
def test_mistakes_on_the_command_line_are_explained(words: list[str], tells: str) -> None:
    with pytest.raises(UserError, match=tells):
        CliRunner().invoke(app, words, catch_exceptions=False)
