"""Random search: everything is uniform, and a child worse than its own task's parent is refused."""

from __future__ import annotations

from collections import Counter

import pytest

from taskgrove.agents.base import Assignment
from taskgrove.agents.methods.random_search import RandomSearch, RandomSearchOptions
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import SlotName, TaskName
from taskgrove.domain.jobs import Clone, Share, TrainJob
from taskgrove.scoring.quality import QualityScore
from taskgrove.testing.agents import carry_out
from taskgrove.testing.layouts import SPACE, offspring, tiny_equipment, tiny_root, tiny_view

A = TaskName("a")
ROOT = tiny_root()
OTHER = offspring(ROOT, "b", own=("block_1", "norm", "head"), quality=0.6)
MINE = offspring(OTHER, "a", own=("block_0", "norm", "head"), quality=0.5)
VIEW = tiny_view(OTHER, MINE)
MANY = 900


def agent(generations: int | None = 1, children: int = MANY) -> RandomSearch:
    options = RandomSearchOptions(generations=generations, children=children)
    return RandomSearch(equipment=tiny_equipment(QualityScore()), options=options)


@pytest.fixture(scope="module")
def jobs() -> tuple[TrainJob, ...]:
    who = agent()
    return who.ask(who.init(VIEW, Assignment(seed=0, task=A, iteration=1)), VIEW)


def test_every_model_of_the_system_is_as_likely_a_parent(jobs: tuple[TrainJob, ...]) -> None:
    drawn = Counter(job.parent for job in jobs)
    assert set(drawn) == {ROOT.id, OTHER.id, MINE.id}
    assert all(count / MANY == pytest.approx(1 / 3, abs=0.05) for count in drawn.values())


@pytest.mark.parametrize("name", [choice.name for choice in SPACE])
def test_every_value_of_a_hyperparameter_is_as_likely(name: str, jobs: tuple[TrainJob, ...]) -> None:
    drawn = Counter(job.hparams[name] for job in jobs)
    values = SPACE[name].values
    assert set(drawn) == set(values)
    assert all(count / MANY == pytest.approx(1 / len(values), abs=0.06) for count in drawn.values())


@pytest.mark.parametrize("slot", ["embedding", "cls", "pos", "block_0", "block_1"])
def test_half_of_the_children_clone_a_layer(slot: str, jobs: tuple[TrainJob, ...]) -> None:
    origins = [dict(job.slots)[SlotName(slot)] for job in jobs]
    free = [o for o in origins if not (isinstance(o, Clone) and o.resize)]
    assert sum(isinstance(o, Clone) for o in free) / len(free) == pytest.approx(0.5, abs=0.06)


def test_norm_and_head_are_always_trained(jobs: tuple[TrainJob, ...]) -> None:
    assert not any(isinstance(origin, Share) for job in jobs for _, origin in job.slots[-2:])


def test_a_child_records_its_clones_and_the_probability_that_drew_them(jobs: tuple[TrainJob, ...]) -> None:
    for job in jobs[:50]:
        cloned = {
            f"clone:{slot}": 0.5
            for slot, origin in job.slots[:-2]
            if isinstance(origin, Clone) and not origin.resize
        }
        assert job.mutations == {**cloned, **{f"hp:{choice.name}": 1.0 for choice in SPACE}}


def test_only_a_child_that_is_worse_than_its_parent_of_the_same_task_is_refused() -> None:
    done = carry_out(agent(children=60), VIEW)
    seen = set()
    for job, verdict in zip(done.jobs, done.verdicts, strict=True):
        assert verdict.score is not None
        worse = job.parent == MINE.id and verdict.score < MINE.quality
        assert (verdict.model is None) == worse
        seen.add(worse)
    assert seen == {True, False}


def test_it_has_the_effort_of_the_evolutionary_methods() -> None:
    assert agent(generations=None, children=8).effort().generations == 4
    assert agent(generations=3, children=5).total_children() == 15


@pytest.mark.parametrize(("generations", "children"), [(0, 8), (4, 0)])
def test_impossible_options_are_refused(generations: int, children: int) -> None:
    with pytest.raises(BadValueError, match="at least 1"):
        RandomSearchOptions(generations=generations, children=children)
