"""An experiment as a value: what it refuses, its canonical text, and what its digest depends on."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from taskgrove.domain.errors import BadValueError, DuplicateNameError
from taskgrove.experiment.spec import (
    AgentSpec,
    BudgetSpec,
    ExperimentSpec,
    RootSpec,
    ScoreSpec,
    SpaceSpec,
    TaskEntry,
    TrainSpec,
    canonical,
    digest,
)

SPEC = ExperimentSpec(
    name="mnist",
    agent=AgentSpec(options={"children": 4}),
    defaults={"opt.lr": 0.1},
    tasks=(TaskEntry(name="digits", source="npz:digits.npz", val="train[90%:]"),),
)


def identity(spec: ExperimentSpec) -> str:
    return digest(spec, "fp32", 2)


@pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "é", "x" * 101, ".a", "a\n"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(BadValueError, match="cannot name an experiment"):
        ExperimentSpec(name=name)
    with pytest.raises(BadValueError, match="cannot name a task"):
        TaskEntry(name=name, source="npz:a.npz")


@pytest.mark.parametrize("name", ["a", "0", "A.b_c:d+e-f", "x" * 100])
def test_good_names_are_accepted(name: str) -> None:
    assert ExperimentSpec(name=name, tasks=(TaskEntry(name=name, source="npz:a"),)).name == name


def test_a_task_is_named_once() -> None:
    entry = TaskEntry(name="digits", source="npz:a.npz")
    with pytest.raises(DuplicateNameError, match="digits is named more than once"):
        ExperimentSpec(name="x", tasks=(entry, TaskEntry(name="b", source="npz:b"), entry))


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5, math.nan])
def test_bad_scales_are_refused(scale: float) -> None:
    with pytest.raises(BadValueError, match=r"score\.scale must be in \]0, 1\]"):
        ScoreSpec(scale=scale)


@pytest.mark.parametrize("name", ["cycles", "samples_cap", "batch_size", "val_cap"])
@pytest.mark.parametrize("value", [0, -1])
def test_training_needs_at_least_one_of_everything(name: str, value: int) -> None:
    with pytest.raises(BadValueError, match=rf"train\.{name} must be at least 1, got {value}"):
        TrainSpec(**{name: value})  # type: ignore[arg-type]


def test_bad_precision_threads_and_iterations_are_refused() -> None:
    with pytest.raises(BadValueError, match=r"train\.precision must be auto, fp32 or bf16, got 'fp16'"):
        TrainSpec(precision="fp16")
    with pytest.raises(BadValueError, match=r"train\.threads must not be negative, got -1"):
        TrainSpec(threads=-1)
    with pytest.raises(BadValueError, match=r"agent\.iterations must be at least 1, got 0"):
        AgentSpec(iterations=0)


def test_a_budget_pays_for_something() -> None:
    with pytest.raises(BadValueError, match=r"budget\.cycles must be at least 1, got 0"):
        BudgetSpec(cycles=0)
    assert BudgetSpec().cycles is None


def test_the_settings_of_a_score_that_were_given_are_known() -> None:
    assert ScoreSpec(form="munet").given() == frozenset()
    assert ScoreSpec(scale=0.5, max_flops=1.0).given() == {"scale", "max_flops"}
    assert ScoreSpec(count_roots=False, params_constant=0.0).given() == {"count_roots", "params_constant"}


def test_only_spelled_out_splits_are_given() -> None:
    assert SPEC.tasks[0].splits() == {"val": "train[90%:]"}
    assert TaskEntry(name="a", source="npz:a").splits() == {}
    every = TaskEntry(name="a", source="npz:a", train="x", val="y", test="z")
    assert every.splits() == {"train": "x", "val": "y", "test": "z"}


def test_the_canonical_text_holds_every_setting_in_a_fixed_order() -> None:
    text = canonical(SPEC)
    table = json.loads(text)
    assert table["agent"] == {"iterations": 2, "method": "mu2net_plus", "options": {"children": 4}}
    assert table["tasks"][0]["val"] == "train[90%:]"
    assert text == json.dumps(table, sort_keys=True, separators=(",", ":"))
    assert canonical(replace(SPEC, defaults=dict(reversed([*SPEC.defaults.items()])))) == text


@pytest.mark.parametrize(
    "changed",
    [
        replace(SPEC, name="other"),
        replace(SPEC, device="cpu"),
        replace(SPEC, executor="processes"),
        replace(SPEC, tasks=()),
        replace(SPEC, root=RootSpec(member="vit-b")),
        replace(SPEC, agent=replace(SPEC.agent, iterations=7)),
    ],
    ids=["name", "device", "executor", "tasks", "root", "iterations"],
)
def test_a_continued_experiment_may_change(changed: ExperimentSpec) -> None:
    assert identity(changed) == identity(SPEC)


@pytest.mark.parametrize(
    "changed",
    [
        replace(SPEC, seed=1),
        replace(SPEC, defaults={}),
        replace(SPEC, defaults={"opt.lr": 0.2}),
        replace(SPEC, agent=replace(SPEC.agent, method="munet")),
        replace(SPEC, agent=replace(SPEC.agent, options={"children": 5})),
        replace(SPEC, score=ScoreSpec(scale=0.9)),
        replace(SPEC, score=ScoreSpec(params_constant=1.0)),
        replace(SPEC, score=ScoreSpec(flops_constant=1.0)),
        replace(SPEC, score=ScoreSpec(form="munet")),
        replace(SPEC, score=ScoreSpec(count_roots=False)),
        replace(SPEC, score=ScoreSpec(max_params=1.0)),
        replace(SPEC, score=ScoreSpec(max_flops=1.0)),
        replace(SPEC, space=SpaceSpec(base="munet")),
        replace(SPEC, space=SpaceSpec(values={"opt.lr": (0.1,)})),
        replace(SPEC, budget=BudgetSpec(cycles=8)),
        replace(SPEC, train=TrainSpec(cycles=5)),
        replace(SPEC, train=TrainSpec(samples_cap=5)),
        replace(SPEC, train=TrainSpec(batch_size=5)),
        replace(SPEC, train=TrainSpec(val_cap=5)),
    ],
)
def test_a_continued_experiment_may_not_change(changed: ExperimentSpec) -> None:
    assert identity(changed) != identity(SPEC)


def test_the_digest_has_what_auto_means_on_this_machine() -> None:
    assert digest(SPEC, "bf16", 2) != digest(SPEC, "fp32", 2) != digest(SPEC, "fp32", 4)
    spelled = replace(SPEC, train=TrainSpec(precision="fp32", threads=2))
    assert digest(spelled, "fp32", 2) == digest(SPEC, "fp32", 2)
