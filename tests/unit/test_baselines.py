"""The papers' baselines: what they train, what they cost the system, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import pytest

from taskgrove.agents.base import AbstractAgent, Assignment, Equipment
from taskgrove.agents.methods.fine_tune import FineTune
from taskgrove.agents.methods.fine_tune_search import FineTuneSearch, FineTuneSearchOptions
from taskgrove.agents.methods.fine_tune_top import FineTuneTop, FineTuneTopOptions
from taskgrove.agents.methods.multi_head import MultiHead
from taskgrove.agents.methods.residual_adapters import ResidualAdapters, ResidualAdaptersOptions
from taskgrove.agents.replicas import ReplicaOptions
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import SlotName, TaskName
from taskgrove.domain.jobs import Clone, Fresh, Share, TrainJob
from taskgrove.domain.layout import AbstractLayout, Slot
from taskgrove.domain.records import Model, identified
from taskgrove.domain.view import SystemView
from taskgrove.scoring.accounting import accounted_params
from taskgrove.scoring.quality import QualityScore
from taskgrove.testing.agents import carry_out
from taskgrove.testing.layouts import (
    NUM_CLASSES,
    SPACE,
    TINY,
    offspring,
    tiny_equipment,
    tiny_root,
    tiny_view,
)

A = TaskName("a")
ROOT = tiny_root()
OTHER = offspring(ROOT, "b", own=("block_0", "block_1", "norm", "head"), quality=0.6)
MINE = offspring(ROOT, "a", own=("pos", "norm", "head"), hparams={"opt.lr": 0.1}, quality=0.999)
BODY = ("embedding", "cls", "pos", "block_0", "block_1")
EQUIPMENT = replace(tiny_equipment(QualityScore()), budget=None)
Make = Callable[[Equipment], AbstractAgent[Any]]


def multi_head(equipment: Equipment) -> AbstractAgent[Any]:
    return MultiHead(equipment=equipment)


def fine_tune(equipment: Equipment) -> AbstractAgent[Any]:
    return FineTune(equipment=equipment)


def fine_tune_search(equipment: Equipment) -> AbstractAgent[Any]:
    return FineTuneSearch(equipment=equipment)


def top(frozen: int) -> Make:
    return lambda equipment: FineTuneTop(equipment=equipment, options=FineTuneTopOptions(frozen=frozen))


def adapters(dim: int) -> Make:
    options = ResidualAdaptersOptions(dim=dim)
    return lambda equipment: ResidualAdapters(equipment=equipment, options=options)


TRAINED: Mapping[str, tuple[Make, tuple[str, ...]]] = {
    "multi_head": (multi_head, ("head",)),
    "fine_tune": (fine_tune, (*BODY, "norm", "head")),
    "fine_tune_top 0": (top(0), ("block_0", "block_1", "norm", "head")),
    "fine_tune_top 1": (top(1), ("block_1", "norm", "head")),
    "fine_tune_top 2": (top(2), ("norm", "head")),
    "residual_adapters": (adapters(4), ("adapter_0", "adapter_1", "head")),
    "fine_tune_search": (fine_tune_search, (*BODY, "norm", "head")),
}
"""Every baseline with the slots that it trains."""

each = pytest.mark.parametrize("method", sorted(TRAINED))
VIEWS = {"root": tiny_view(), "other": tiny_view(OTHER), "mine": tiny_view(OTHER, MINE)}


def asked(make: Make, view: SystemView, equipment: Equipment = EQUIPMENT) -> tuple[TrainJob, ...]:
    """All jobs of an iteration."""
    agent = make(equipment)
    return agent.ask(agent.init(view, Assignment(seed=0, task=A, iteration=0)), view)


def trained(job: TrainJob) -> tuple[str, ...]:
    return tuple(slot for slot, origin in job.slots if not isinstance(origin, Share))


def size(slot: str, dim: int = 8) -> int:
    """Parameters of a slot in a model of a task."""
    hparams = {**SPACE.defaults(), "arch.adapter_dim": dim}
    return TINY.slot(SlotName(slot), hparams, NUM_CLASSES).num_params


@each
@pytest.mark.parametrize("view", sorted(VIEWS))
def test_each_trains_what_it_is_named_for_and_shares_the_rest(method: str, view: str) -> None:
    make, slots = TRAINED[method]
    roots = {c.slot: c.id for c in ROOT.components}
    for job in asked(make, VIEWS[view]):
        assert trained(job) == slots
        for slot, origin in job.slots:
            new = slot == "head" or slot not in roots
            assert isinstance(origin, Fresh) == new
            assert isinstance(origin, Fresh) or origin.component == roots[slot]


@each
@pytest.mark.parametrize("view", sorted(VIEWS))
def test_the_parent_is_the_root_whatever_the_system_has(method: str, view: str) -> None:
    assert {job.parent for job in asked(TRAINED[method][0], VIEWS[view])} == {ROOT.id}


def test_of_several_roots_the_first_is_the_parent() -> None:
    second = identified(replace(ROOT, seed=1))
    assert {job.parent for job in asked(fine_tune, tiny_view(roots=(ROOT, second)))} == {ROOT.id}


@pytest.mark.parametrize("method", sorted(set(TRAINED) - {"fine_tune_search"}))
def test_replicas_differ_in_nothing_but_their_seeds(method: str) -> None:
    jobs = asked(TRAINED[method][0], VIEWS["other"])
    assert len({job.seed for job in jobs}) == len(jobs) == 8
    assert {repr(replace(job, seed=0, child=0)) for job in jobs} == {repr(replace(jobs[0], seed=0, child=0))}


@each
def test_hyperparameters_are_the_experiments_defaults(method: str) -> None:
    space = SPACE.with_defaults({"opt.lr": 0.1, "data.flip": True})
    jobs = asked(TRAINED[method][0], VIEWS["mine"], replace(EQUIPMENT, space=space))
    own = {"arch.adapter_dim": 4} if method == "residual_adapters" else {}
    assert jobs[0].hparams == {**space.defaults(), **own}


@each
def test_every_child_records_what_was_done_to_its_parent(method: str) -> None:
    make, slots = TRAINED[method]
    job = asked(make, VIEWS["root"])[0]
    kinds = {slot: "insert" if "adapter" in slot else "clone" for slot in slots if slot != "head"}
    changed = {"hp:arch.adapter_dim"} if method == "residual_adapters" else set()
    assert set(job.mutations) == {f"{kind}:{slot}" for slot, kind in kinds.items()} | changed
    assert set(job.mutations.values()) <= {1.0}
    assert job.mu == {}


@each
def test_at_another_resolution_the_roots_positions_are_resampled_and_trained(method: str) -> None:
    make, slots = TRAINED[method]
    equipment = replace(EQUIPMENT, space=SPACE.with_defaults({"data.resolution": 16}))
    job = asked(make, VIEWS["root"], equipment)[0]
    position = next(c for c in ROOT.components if c.slot == "pos")
    assert dict(job.slots)[SlotName("pos")] == Clone(component=position.id, resize=True)
    assert set(trained(job)) == {*slots, "pos"}


@pytest.mark.parametrize("dim", [1, 8, 24, 512])
def test_adapters_of_any_width_sit_before_every_block(dim: int) -> None:
    job = asked(adapters(dim), VIEWS["root"])[0]
    assert [slot for slot, _ in job.slots][3:-2] == ["adapter_0", "block_0", "adapter_1", "block_1"]
    assert job.hparams["arch.adapter_dim"] == dim
    assert job.flops == ROOT_FLOPS + 2 * TINY.slot(SlotName("adapter_0"), job.hparams, NUM_CLASSES).flops


def test_adapters_need_no_hyperparameter_in_the_search_space() -> None:
    space = replace(SPACE, choices=tuple(c for c in SPACE if not c.name.startswith("arch.")))
    jobs = asked(adapters(24), VIEWS["root"], replace(EQUIPMENT, space=space))
    assert {job.hparams["arch.adapter_dim"] for job in jobs} == {24}


ROOT_FLOPS = sum(TINY.slot(name, SPACE.defaults(), NUM_CLASSES).flops for name in TINY.root_slots())


def two_tasks(make: Make) -> SystemView:
    """A system in which both tasks have their model from one iteration of a baseline."""
    bests: list[Model] = []
    agent = make(EQUIPMENT)
    for task in ("a", "b"):
        done = carry_out(agent, tiny_view(*bests))
        found = {v.model.id: v.model for v in done.verdicts if v.model is not None}
        assert done.proposal.best is not None
        best = found[done.proposal.best]
        bests.append(identified(replace(best, task=TaskName(task))))
    return tiny_view(*bests)


OWN = {
    "multi_head": size("head"),
    "fine_tune": sum(size(slot) for slot in (*BODY, "norm", "head")),
    "fine_tune_top 1": size("block_1") + size("norm") + size("head"),
    "residual_adapters": 2 * size("adapter_0", 4) + size("head"),
}
"""Parameters of a task that no other task uses."""
SHARED = {
    "multi_head": sum(size(slot) for slot in (*BODY, "norm")),
    "fine_tune": 0,
    "fine_tune_top 1": sum(size(slot) for slot in BODY[:-1]),
    "residual_adapters": sum(size(slot) for slot in (*BODY, "norm")),
}
"""Parameters that two tasks and the root use."""


@pytest.mark.parametrize("method", sorted(OWN))
@pytest.mark.parametrize(("count_roots", "sharers"), [(True, 3), (False, 2)])
def test_accounted_parameters_of_two_tasks_in_closed_form(
    method: str, count_roots: bool, sharers: int
) -> None:
    view = two_tasks(TRAINED[method][0])
    for model in view.published()[1:]:
        found = accounted_params(model, view, count_roots=count_roots)
        assert found == pytest.approx(OWN[method] + SHARED[method] / sharers)


@each
def test_the_best_replica_wins_and_stays_until_a_better_one_comes(method: str) -> None:
    agent = TRAINED[method][0](EQUIPMENT)
    first = carry_out(agent, VIEWS["other"])
    scores = [verdict.score for verdict in first.verdicts if verdict.score is not None]
    assert first.proposal.score == max(scores)
    later = carry_out(agent, VIEWS["mine"])
    assert (later.proposal.best, later.proposal.score) == (MINE.id, MINE.quality)


@each
def test_a_budget_is_shared_equally(method: str) -> None:
    jobs = asked(TRAINED[method][0], VIEWS["root"], replace(EQUIPMENT, budget=48))
    assert [job.config.cycles for job in jobs] == [6] * 8


@each
def test_a_budget_that_cannot_be_shared_equally_is_refused(method: str) -> None:
    with pytest.raises(BadValueError, match="50 train cycles"):
        TRAINED[method][0](replace(EQUIPMENT, budget=50)).total_children()


def test_freezing_more_layers_than_there_are_is_refused_before_the_first_child() -> None:
    with pytest.raises(BadValueError, match=r"frozen = 3, but vit-tiny-test has 2 layers"):
        top(3)(EQUIPMENT).total_children()


@final
@dataclass(frozen=True, slots=True)
class Plain(AbstractLayout):
    """A backbone without layers to count and without room for adapters."""

    @property
    def member(self) -> str:
        return "plain"

    def root_slots(self) -> tuple[SlotName, ...]:
        return (SlotName("body"), SlotName("head"))

    def slot(self, name: SlotName, hparams: Hparams, num_classes: int) -> Slot:
        return Slot(name=name, kind=name, shapes={"weight": (num_classes,)}, flops=1)

    def insertable_slots(self, present: object) -> tuple[tuple[SlotName, int], ...]:
        return ()

    def check(self, names: object) -> None:
        raise AssertionError("not asked for")


@pytest.mark.parametrize("make", [top(0), adapters(8)], ids=["fine_tune_top", "residual_adapters"])
def test_a_backbone_that_cannot_carry_a_baseline_is_refused(make: Make) -> None:
    with pytest.raises(BadValueError, match="plain has"):
        make(replace(EQUIPMENT, layout=Plain())).total_children()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ReplicaOptions(replicas=0), r"agent\.replicas must be at least 1, got 0"),
        (lambda: FineTuneTopOptions(replicas=0), r"agent\.replicas"),
        (lambda: FineTuneTopOptions(frozen=-1), r"agent\.frozen is a number of layers.*-1"),
        (lambda: ResidualAdaptersOptions(dim=0), r"agent\.dim is a width.*0"),
        (lambda: ResidualAdaptersOptions(replicas=-3), r"agent\.replicas"),
        (lambda: FineTuneSearchOptions(trials=0), r"agent\.trials must be at least 1, got 0"),
        (lambda: FineTuneSearchOptions(sampler="tpu"), r"no sampler named 'tpu'.*mean 'tpe'"),
    ],
)
def test_impossible_options_are_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
