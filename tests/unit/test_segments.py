"""Experiments as lists of segments: what a file means, and that they are carried out in order, once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import taskgrove
from taskgrove.domain.errors import BadValueError, DuplicateNameError, UnknownNameError
from taskgrove.domain.records import AddEvaluation, Commit, EndIteration, FinishChild
from taskgrove.experiment.segments import read_segments
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec, RootSpec, ScoreSpec, SpaceSpec
from taskgrove.testing.runs import Interrupted, interrupt_at
from tests.unit.small_experiments import SEGMENTED, SMALL, written


def read(folder: Path, text: str) -> tuple[ExperimentSpec, ...]:
    path = folder / "x.toml"
    path.write_text(text, encoding="utf-8")
    return read_segments(path)


BASE = """
name = "x"
score = { scale = 0.9 }
defaults = { "opt.lr" = 0.1 }
[[tasks]]
name = "a"
source = "npz:a"
"""


def test_a_file_without_segments_is_one_experiment(tmp_path: Path) -> None:
    specs = read(tmp_path, BASE)
    assert specs == (taskgrove.read_experiment(tmp_path / "x.toml"),)
    assert read(tmp_path, BASE.replace("[[tasks]]", "[[tasks]]", 1) + "\n") == specs


def test_a_segment_replaces_whole_tables_and_keeps_the_others(tmp_path: Path) -> None:
    text = BASE + '[[segments]]\nname = "one"\n[[segments]]\nname = "two"\n'
    text += 'score = { count_roots = true }\nspace = { base = "munet" }\nagent = { children = 3 }\n'
    one, two = read(tmp_path, text)
    assert (one.name, two.name) == ("x.one", "x.two")
    assert one.score == ScoreSpec(scale=0.9)
    assert one.agent == AgentSpec()
    assert two.score == ScoreSpec(count_roots=True)
    assert two.space == SpaceSpec(base="munet")
    assert two.agent == AgentSpec(options={"children": 3})
    assert one.defaults == two.defaults == {"opt.lr": 0.1}


def test_tasks_arrive_with_their_segment_and_stay(tmp_path: Path) -> None:
    text = (
        BASE + '[[segments]]\nname = "one"\n[[segments]]\nname = "two"\nsuite = "glyphs8"\nonly = ["greek"]\n'
    )
    text += '[[segments.tasks]]\nname = "b"\nsource = "npz:b"\n[[segments]]\nname = "three"\n'
    one, two, three = read(tmp_path, text)
    assert [task.name for task in one.tasks] == ["a"]
    assert [task.name for task in two.tasks] == ["greek"]
    assert [task.name for task in three.tasks][:2] == ["a", "latin_lower"]
    assert len(three.tasks) == 10
    assert three.tasks[-1].name == "b"


def test_a_file_with_segments_is_not_one_experiment(tmp_path: Path) -> None:
    read(tmp_path, BASE + '[[segments]]\nname = "one"\n')
    with pytest.raises(BadValueError, match=r"taskgrove\.read_segments"):
        taskgrove.read_experiment(tmp_path / "x.toml")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('[[segments]]\nnmae = "a"', UnknownNameError, r"segments\[0\] named 'nmae'.*Did you mean 'name'"),
        ('[[segments]]\nname = "s"\n[segments.root]\nseed = 1', UnknownNameError, "named 'root'"),
        (
            '[[segments]]\nname = "s"\nscore = { s = 1 }',
            UnknownNameError,
            r"segment 's': .*in score named 's'",
        ),
        ("[[segments]]\nonly = ['a']", BadValueError, r"segments\[0\] needs name"),
        ('[[segments]]\nname = "s"\nonly = []', BadValueError, r"segments\[0\]\.only is empty"),
        ('[[segments]]\nname = "s"\nonly = "a"', BadValueError, r"segments\[0\]\.only must be a list"),
        ('[[segments]]\nname = "s"\nonly = ["c"]', UnknownNameError, "no task so far named 'c'.*Known: a"),
        ('[[segments]]\nname = "s"\nonly = ["a", "a"]', DuplicateNameError, "only: a is named"),
        ('[[segments]]\nname = "s t"', BadValueError, "'x.s t' cannot name an experiment"),
        ('[[segments]]\nname = "s"\n[[segments]]\nname = "s"', DuplicateNameError, "segments: s is named"),
        (
            '[[segments]]\nname = "s"\n[[segments.tasks]]\nname = "a"\nsource = "npz:b"',
            DuplicateNameError,
            "segment 's': tasks: a is named",
        ),
        ("[segments]\nname = 's'", BadValueError, "segments must be a list"),
        ('segments = ["s"]', BadValueError, r"segments\[0\] must be a table"),
    ],
)
def test_a_mistake_in_a_segment_is_refused_with_its_place(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    whole = text + BASE if text.startswith("segments =") else BASE + text
    with pytest.raises(error, match=message) as caught:
        read(tmp_path, whole)
    assert "x.toml" in str(caught.value)


def test_tasks_of_the_system_and_tasks_of_the_file_do_not_mix(tmp_path: Path) -> None:
    text = 'name = "x"\n[[segments]]\nname = "s"\n[[segments]]\nname = "t"\nsuite = "glyphs8"'
    with pytest.raises(BadValueError, match="segment 't': Tasks arrive here, but"):
        read(tmp_path, text)


def history(store: Path) -> list[Commit]:
    return list(taskgrove.open(store, writable=False).store.history())


def contents(store: Path) -> list[object]:
    """What the log says; ids of a root's and of a task's commit are drawn at random."""
    return [commit.operation for commit in history(store)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An experiment of three segments, and its system after all of them."""
    folder = tmp_path_factory.mktemp("segments")
    path = written(folder, SEGMENTED)
    taskgrove.run(read_segments(path), folder / "whole")
    return path, folder / "whole"


def test_segments_are_carried_out_in_order_on_one_system(whole: tuple[Path, Path]) -> None:
    ends = [op for op in contents(whole[1]) if isinstance(op, EndIteration)]
    done = [(end.experiment, end.task, end.iteration) for end in ends]
    assert done == [
        ("small.first", "a", 0),
        ("small.then", "a", 1),
        ("small.then", "b", 0),
        ("small.last", "b", 1),
        ("small.last", "b", 2),
    ]


def test_segments_of_one_task_train_other_children(whole: tuple[Path, Path]) -> None:
    seeds = [op.seed for op in contents(whole[1]) if isinstance(op, FinishChild)]
    assert len(seeds) == 8
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("event", [1, 4, 6, 9, 12], ids=lambda event: f"event {event}")
def test_an_interrupted_sequence_goes_on_where_it_stood(
    whole: tuple[Path, Path], tmp_path: Path, event: int
) -> None:
    specs = read_segments(whole[0])
    with pytest.raises(Interrupted):
        taskgrove.run(specs, tmp_path / "grove", observe=interrupt_at(event))
    taskgrove.run(specs, tmp_path / "grove")
    # An evaluation's id holds its experiment's name, but who measured is not what was measured.
    assert contents(tmp_path / "grove") == contents(whole[1])


def test_a_sequence_that_has_ended_does_nothing_more(whole: tuple[Path, Path]) -> None:
    before, events = history(whole[1]), list[object]()
    taskgrove.run(read_segments(whole[0]), whole[1], observe=events.append)
    assert history(whole[1]) == before
    assert events == []
    assert sum(isinstance(commit.operation, AddEvaluation) for commit in before) <= 5


def test_a_sequence_may_be_extended_at_its_end_only(whole: tuple[Path, Path], tmp_path: Path) -> None:
    specs = read_segments(whole[0])
    before = history(whole[1])
    longer = replace(specs[0], agent=replace(specs[0].agent, iterations=2))
    with pytest.raises(BadValueError, match=r"'small\.first' asks for more .* 'small\.last' has begun"):
        taskgrove.run((longer, *specs[1:]), whole[1])
    new = replace(specs[0], name="small.new")
    with pytest.raises(BadValueError, match=r"'small\.new' asks for more"):
        taskgrove.run((specs[0], new, *specs[1:]), whole[1])
    changed = replace(specs[1], score=ScoreSpec(scale=0.8))
    with pytest.raises(BadValueError, match=r"'small\.then' was started in this store with other settings"):
        taskgrove.run((specs[0], changed, specs[2]), whole[1])
    assert history(whole[1]) == before


def test_what_cannot_be_carried_out_in_a_row_makes_nothing(tmp_path: Path) -> None:
    spec = taskgrove.read_experiment(written(tmp_path, SMALL))
    other = replace(spec, name="other", root=RootSpec(member="vit-tiny-test", seed=9))
    unknown = replace(spec, name="other", agent=AgentSpec(method="nonsense"))
    cases: list[tuple[tuple[ExperimentSpec, ...], str]] = [
        ((), "no experiment to carry out"),
        ((spec, spec), "experiments: small is named more than once"),
        ((spec, other), "another root than 'small'"),
        ((spec, unknown), "other: There is no agent named 'nonsense'"),
    ]
    for specs, message in cases:
        with pytest.raises(ValueError, match=message):
            taskgrove.run(specs, tmp_path / "grove")
    assert not (tmp_path / "grove").exists()
