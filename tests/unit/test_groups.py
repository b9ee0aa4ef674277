"""Tasks of one experiment that differ in method, score, space, defaults and root; private tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from taskgrove.cli.main import app
from taskgrove.domain.errors import BadValueError, DuplicateNameError, UnknownNameError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import BeginRound, FinishChild
from taskgrove.experiment.api import run
from taskgrove.experiment.decode import read_experiment
from taskgrove.experiment.places import check_store, open_store
from taskgrove.experiment.spec import ExperimentSpec, RootSpec
from tests.unit.small_experiments import written

MIXED = """
name = "mixed"
device = "cpu"
schedule = "rounds"
root.member = "vit-tiny-test"
agent = { iterations = 2, generations = 1, children = 2 }
train = { cycles = 1, samples_cap = 8, batch_size = 8, val_cap = 8, precision = "fp32", threads = 1 }
[[tasks]]
name = "a"
source = "npz:{folder}/a.npz"
[[tasks]]
name = "b"
source = "npz:{folder}/b.npz"
private = true
[[tasks]]
name = "c"
source = "npz:{folder}/a.npz"
[[groups]]
tasks = ["b"]
agent = { method = "munet", generations = 1, children = 2 }
score = { scale = 0.3 }
[[groups]]
tasks = ["c"]
agent = { method = "fine_tune", replicas = 2 }
root = { member = "vit-tiny-test", seed = 7 }
defaults.opt.lr = 0.02
"""


def mixed(folder: Path, text: str = MIXED) -> ExperimentSpec:
    return read_experiment(written(folder, text))


def test_every_task_has_the_settings_of_its_group(tmp_path: Path) -> None:
    spec = mixed(tmp_path)
    assert [spec.of_task(name).agent.method for name in "abc"] == ["mu2net_plus", "munet", "fine_tune"]
    assert [spec.of_task(name).agent.iterations for name in "abc"] == [2, 2, 2]
    assert [spec.of_task(name).score.scale for name in "abc"] == [1.0, 0.3, 1.0]
    assert [spec.of_task(name).root.seed for name in "abc"] == [0, 0, 7]
    assert spec.of_task("c").defaults == {"opt.lr": 0.02}


@pytest.mark.usefixtures("threads")
def test_three_methods_and_two_roots_grow_in_one_system(tmp_path: Path) -> None:
    spec = mixed(tmp_path)
    grove = run(spec, tmp_path / "grove")
    view = grove.view()
    assert [view.models[root].seed for root in view.roots] == [0, 7]
    history = list(grove.store.history())
    methods = {c.operation.task: c.operation.agent for c in history if isinstance(c.operation, FinishChild)}
    assert methods == {"a": "mu2net_plus", "b": "munet", "c": "fine_tune"}
    assert sum(isinstance(c.operation, BeginRound) for c in history) == 2
    assert check_store(tmp_path / "grove").ok
    assert run(spec, tmp_path / "grove").view().number == view.number


@pytest.mark.usefixtures("threads")
def test_no_model_descends_from_a_private_one_of_another_task(tmp_path: Path) -> None:
    spec = replace(mixed(tmp_path), groups=())
    more = replace(spec, agent=replace(spec.agent, iterations=3, options={"generations": 3, "children": 2}))
    grove = run(more, tmp_path / "grove")
    assert grove.view().tasks[TaskName("b")].private
    of = {
        child.model.id: child.task
        for child in (c.operation for c in grove.store.history())
        if isinstance(child, FinishChild) and child.model is not None
    }
    parents = {
        (child.task, of.get(child.parent))
        for child in (c.operation for c in grove.store.history())
        if isinstance(child, FinishChild)
    }
    assert ("b", "b") in parents
    assert not {("a", "b"), ("c", "b")} & parents


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ('tasks = ["b"]', 'tasks = ["z"]', UnknownNameError, "'z'"),
        ('tasks = ["b"]', 'tasks = ["c"]', DuplicateNameError, "in more than one group"),
        ('tasks = ["b"]', "tasks = []", BadValueError, "at least one task"),
        (
            'method = "munet",',
            'method = "munet", iterations = 3,',
            BadValueError,
            "same number of iterations",
        ),
        ('method = "munet",', 'method = "munet", colour = 3,', UnknownNameError, "colour"),
        ('method = "munet"', 'method = "mynet"', UnknownNameError, "'mynet'"),
        ("score = { scale = 0.3 }", "store = 3", UnknownNameError, "'store'"),
    ],
)
def test_a_group_that_makes_no_sense_is_refused_before_anything_is_written(
    tmp_path: Path, old: str, new: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(mixed(tmp_path, MIXED.replace(old, new)), tmp_path / "grove")
    assert not (tmp_path / "grove").exists()


@pytest.mark.usefixtures("threads")
def test_another_root_is_published_once(tmp_path: Path) -> None:
    spec = mixed(tmp_path)
    grove = run(replace(spec, groups=(), tasks=spec.tasks[:1]), tmp_path / "grove")
    second = grove.add_root(RootSpec(member="vit-tiny-test", seed=3))
    assert grove.add_root(RootSpec(member="vit-tiny-test", seed=3)) == second
    assert grove.add_root(spec.root).seed == 0
    assert [grove.view().models[root].seed for root in grove.view().roots] == [0, 3]


def test_a_task_is_made_private_on_the_command_line(tmp_path: Path) -> None:
    written(tmp_path, MIXED)
    grove = str(tmp_path / "grove")
    for words in (
        ["init", grove, "--root", "vit-tiny-test"],
        ["task", "add", grove, "open", f"npz:{tmp_path}/a.npz"],
        ["task", "add", grove, "closed", f"npz:{tmp_path}/b.npz", "--private"],
    ):
        assert CliRunner().invoke(app, words).exit_code == 0
    tasks = open_store(grove).state.view.tasks
    assert {name: task.private for name, task in tasks.items()} == {"open": False, "closed": True}
