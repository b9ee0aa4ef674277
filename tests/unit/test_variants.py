"""Comparisons as lists of variants: what a file means, and that names give every one its own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

import taskgrove
from taskgrove.domain.errors import BadValueError, DuplicateNameError, UnknownNameError
from taskgrove.experiment.comparison.variants import Variant, read_variants, select
from taskgrove.experiment.spec import AgentSpec, RootSpec, ScoreSpec

BASE = """
name = "x"
score = { scale = 0.9 }
agent = { children = 3 }
[[tasks]]
name = "a"
source = "npz:a"
"""


def read(folder: Path, text: str) -> tuple[Variant, ...]:
    path = folder / "x.toml"
    path.write_text(text, encoding="utf-8")
    return read_variants(path)


def test_a_variant_replaces_whole_tables_and_keeps_the_others(tmp_path: Path) -> None:
    text = BASE + '[[variants]]\nname = "as it is"\n[[variants]]\nname = "other"\n'
    same, other = read(tmp_path, text + 'root = { seed = 3 }\nagent = { method = "munet" }')
    assert (same.name, other.name) == ("as it is", "other")
    assert same.specs[0].name == other.specs[0].name == "x"
    assert same.specs[0].agent == AgentSpec(options={"children": 3})
    assert other.specs[0].agent == AgentSpec(method="munet")
    assert other.specs[0].root == RootSpec(seed=3)
    assert same.specs[0].score == other.specs[0].score == ScoreSpec(scale=0.9)


def test_a_variant_may_have_segments_of_its_own_or_none(tmp_path: Path) -> None:
    text = BASE + '[[segments]]\nname = "s"\n[[variants]]\nname = "base"\n'
    text += '[[variants]]\nname = "none"\nsegments = []\n'
    text += '[[variants]]\nname = "two"\nsegments = [{ name = "t" }, { name = "u", score = {} }]\n'
    base, none, two = read(tmp_path, text)
    assert [spec.name for spec in base.specs] == ["x.s"]
    assert [spec.name for spec in none.specs] == ["x"]
    assert [(spec.name, spec.score.scale) for spec in two.specs] == [("x.t", 0.9), ("x.u", 1.0)]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", BadValueError, "no variants, so there is nothing to compare.*taskgrove run FILE"),
        ('[[variants]]\nname = "v"\nseed = 1', UnknownNameError, r"variants\[0\] named 'seed'"),
        ('[[variants]]\nname = "v"\ntasks = []', UnknownNameError, "named 'tasks'"),
        (
            '[[variants]]\nname = "v"\nagent = { iterations = 0 }',
            BadValueError,
            "variant 'v': agent.iterations",
        ),
        (
            '[[variants]]\nname = "v"\n[[variants.segments]]\nname = "s"\nbudget = { cycle = 1 }',
            UnknownNameError,
            "variant 'v': segment 's': .*in budget named 'cycle'.*Did you mean 'cycles'",
        ),
        ("[[variants]]\nscore = {}", BadValueError, r"variants\[0\] needs name"),
        ('[[variants]]\nname = "v"\n[[variants]]\nname = "v"', DuplicateNameError, "variants: v is named"),
        ('[[variants]]\nname = "V 1"\n[[variants]]\nname = "v-1"', DuplicateNameError, "the folder 'v-1'"),
        ('[[variants]]\nname = "..."', BadValueError, "'...' cannot name a variant"),
        ('[[variants]]\nname = "a\\nb"', BadValueError, "cannot name a variant"),
        ("[variants]\nname = 'v'", BadValueError, "variants must be a list"),
    ],
)
def test_a_mistake_in_a_variant_is_refused_with_its_place(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        read(tmp_path, BASE + text)
    assert "x.toml" in str(caught.value)


def test_a_file_with_variants_is_not_one_experiment(tmp_path: Path) -> None:
    read(tmp_path, BASE + '[[variants]]\nname = "v"')
    for reading in (taskgrove.read_experiment, taskgrove.read_segments):
        with pytest.raises(BadValueError, match="taskgrove compare"):
            reading(tmp_path / "x.toml")


@pytest.mark.parametrize(
    ("name", "slug"),
    [("µ2Net+ (s = 0.3)", "µ2net+-s-0.3"), ("../up", "up"), ("a/b", "a-b"), ("多任务", "多任务")],
)
def test_a_name_gives_a_folder(name: str, slug: str) -> None:
    assert Variant(name=name, specs=()).slug == slug


def test_variants_are_selected_in_their_own_order() -> None:
    one, two = Variant(name="one", specs=()), Variant(name="two", specs=())
    assert select((one, two), ["two", "one"]) == (one, two)
    assert select((one, two), ["two"]) == (two,)
    assert select((one, two), []) == (one, two)
    with pytest.raises(UnknownNameError, match=r"no variant named 'three'.*Known: one, two"):
        select((one, two), ["three"])
