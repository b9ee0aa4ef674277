"""From a parent to a child's draft, its cost and its job; from a trained child to a model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from taskgrove.agents.evolution import cost_of, draft_of, inherited, lineage, model_of, origins, refit
from taskgrove.agents.population import score_of
from taskgrove.domain.ids import AgentName, BlobId, ComponentId, SlotName, TaskName
from taskgrove.domain.jobs import Clone, Completed, Fresh, Share, Trained, TrainJob, TrainResult
from taskgrove.domain.records import Component, Model, identified
from taskgrove.domain.view import SystemView
from taskgrove.mutations.base import Draft, Plan
from taskgrove.scoring.base import Cost
from taskgrove.testing.layouts import (
    NUM_CLASSES,
    SPACE,
    TINY,
    TRAIN,
    offspring,
    tiny_equipment,
    tiny_root,
    tiny_view,
)

A, B = TaskName("a"), TaskName("b")
ROOT = tiny_root()
OTHER = offspring(ROOT, "b", own=("block_1", "norm", "head"), mu={"hp:opt.lr": 0.1})
MINE = offspring(OTHER, "a", own=("block_0", "pos", "norm", "head"))
VIEW = tiny_view(OTHER, MINE)
EQUIPMENT = tiny_equipment()


def draft(parent: Model, view: SystemView = VIEW, *, private: bool = True) -> Draft:
    return draft_of(parent, A, view, EQUIPMENT, train_private=private)


def trained_slots(of: Draft) -> list[str]:
    return [plan.slot for plan in of.plans if plan.trainable]


def moved(start: Draft, **hparams: int) -> Draft:
    values = {name.replace("_", ".", 1): value for name, value in hparams.items()}
    return replace(start, hparams={**start.hparams, **values})


def job_of(parent: Model, child: Draft) -> TrainJob:
    return TrainJob(
        agent=AgentName("test"),
        task=A,
        iteration=3,
        generation=2,
        child=1,
        member=TINY.member,
        slots=origins(child),
        num_classes=NUM_CLASSES,
        hparams=child.hparams,
        seed=7,
        bar=0.0,
        factor=1.0,
        config=TRAIN,
        parent=parent.id,
        mutations={"clone:block_0": 0.2},
        mu={"clone:block_0": 0.22},
        flops=cost_of(child, A, VIEW, EQUIPMENT).flops,
    )


def completed(parent: Model, child: Draft, best_cycle: int = 2) -> Completed:
    written = {
        plan.slot: Trained(
            component=ComponentId(f"new {plan.slot}"),
            momentum=BlobId(f"momentum {plan.slot}"),
            num_params=TINY.slot(plan.slot, child.hparams, NUM_CLASSES).num_params,
        )
        for plan in child.plans
        if plan.trainable
    }
    result = TrainResult(
        quality=0.7,
        best_cycle=best_cycle,
        trained=written,
        losses=(1.0, 0.9, 0.8),
        accuracies=(0.1, 0.7, 0.6),
        samples=24,
        val_samples=4,
        flops=5_000,
    )
    return Completed(job=job_of(parent, child), outcome=result)


def component(model: Model, slot: str) -> Component:
    found = model.component(SlotName(slot))
    assert found is not None
    return found


@pytest.mark.parametrize("parent", [ROOT, OTHER], ids=["root", "other task"])
def test_the_head_is_new_when_the_parent_is_of_another_task(parent: Model) -> None:
    child = draft(parent)
    assert child.plans[-1].component is None
    assert child.plans[-1].trainable


def test_the_head_is_copied_when_the_parent_is_of_the_same_task() -> None:
    child = draft(MINE)
    assert child.plans[-1].component == MINE.components[-1]
    assert child.plans[-1].trainable


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("parent", [ROOT, OTHER, MINE], ids=["root", "other task", "same task"])
def test_the_norm_is_always_copied_and_trained(parent: Model, private: bool) -> None:
    plan = draft(parent, private=private).plans[-2]
    assert (plan.slot, plan.component, plan.trainable) == ("norm", parent.components[-2], True)


def test_what_only_the_active_task_uses_is_trained_without_a_mutation() -> None:
    assert trained_slots(draft(MINE)) == ["pos", "block_0", "norm", "head"]
    assert trained_slots(draft(OTHER)) == ["norm", "head"]
    assert trained_slots(draft(ROOT)) == ["norm", "head"]


def test_what_only_the_active_task_uses_can_be_left_frozen() -> None:
    assert trained_slots(draft(MINE, private=False)) == ["norm", "head"]


def test_what_another_task_has_come_to_use_is_not_private() -> None:
    heir = offspring(MINE, "b")
    assert trained_slots(draft(MINE, tiny_view(heir, MINE))) == ["norm", "head"]


def test_what_an_unpublished_sibling_trained_is_private() -> None:
    sibling = offspring(ROOT, "a", own=("cls", "norm", "head"), child=5)
    assert trained_slots(draft(sibling)) == ["cls", "norm", "head"]


def test_a_child_inherits_what_its_parent_knows_and_defaults_for_the_rest() -> None:
    ignorant = replace(MINE, hparams={"opt.lr": 0.1, "data.resolution": 12})
    assert inherited(ignorant, EQUIPMENT) == {**SPACE.defaults(), "opt.lr": 0.1, "data.resolution": 12}


def test_refitting_changes_nothing_when_all_fits() -> None:
    for parent in (ROOT, OTHER, MINE):
        assert refit(draft(parent), parent, EQUIPMENT, NUM_CLASSES) == draft(parent)


def test_another_resolution_resamples_the_parents_positions_and_trains_them() -> None:
    fitted = refit(moved(draft(ROOT), data_resolution=12), ROOT, EQUIPMENT, NUM_CLASSES)
    assert trained_slots(fitted) == ["pos", "norm", "head"]
    resized = [plan for plan in fitted.plans if plan.resize]
    assert [plan.component for plan in resized] == [component(ROOT, "pos")]


def test_resampled_positions_start_without_momentum() -> None:
    fitted = refit(moved(draft(MINE), data_resolution=12), MINE, EQUIPMENT, NUM_CLASSES)
    old = component(MINE, "pos")
    assert old.momentum is not None
    assert dict(origins(fitted))[SlotName("pos")] == Clone(component=old.id, momentum=None, resize=True)


def test_an_adapter_of_another_width_starts_anew() -> None:
    grown = offspring(ROOT, "a", own=("adapter_1", "norm", "head"))
    fitted = refit(moved(draft(grown, private=False), arch_adapter_dim=16), grown, EQUIPMENT, NUM_CLASSES)
    plan = next(plan for plan in fitted.plans if plan.slot == "adapter_1")
    assert (plan.component, plan.trainable) == (None, True)
    assert trained_slots(fitted) == ["adapter_1", "norm", "head"]


def test_origins_say_share_clone_or_fresh() -> None:
    head, norm = component(MINE, "head"), component(MINE, "norm")
    frozen = dict(origins(draft(MINE, private=False)))
    assert frozen[SlotName("block_0")] == Share(component=component(MINE, "block_0").id)
    assert frozen[SlotName("norm")] == Clone(component=norm.id, momentum=norm.momentum)
    assert frozen[SlotName("head")] == Clone(component=head.id, momentum=head.momentum)
    fresh = dict(origins(draft(ROOT)))
    assert fresh[SlotName("head")] == Fresh()
    assert fresh[SlotName("norm")] == Clone(component=component(ROOT, "norm").id, momentum=None)


def test_the_norm_can_be_left_shared_with_a_new_head_alone_to_train() -> None:
    for parent in (ROOT, OTHER):
        child = draft_of(parent, A, VIEW, EQUIPMENT, train_norm=False)
        assert trained_slots(child) == ["head"]
        assert child.plans[-2] == Plan(
            slot=SlotName("norm"), component=parent.components[-2], trainable=False
        )


def test_a_norm_of_its_own_task_is_trained_when_what_is_private_is() -> None:
    left = draft_of(MINE, A, VIEW, EQUIPMENT, train_private=True, train_norm=False)
    assert trained_slots(left) == ["pos", "block_0", "norm", "head"]


def test_nothing_private_is_trained_unless_asked_for() -> None:
    assert draft_of(MINE, A, VIEW, EQUIPMENT) == draft(MINE, private=False)


def test_clones_start_without_momentum_when_told_so() -> None:
    child = draft(MINE)
    carried, left = dict(origins(child)), dict(origins(child, momentum=False))
    assert {type(origin) for origin in left.values()} == {Clone, Share}
    for slot, origin in left.items():
        was = component(MINE, slot)
        assert was.momentum is not None or isinstance(origin, Share)
        expected = Clone(component=was.id, momentum=None) if isinstance(origin, Clone) else carried[slot]
        assert origin == expected


def test_the_cost_of_a_child_is_known_before_training() -> None:
    sizes = {s: TINY.slot(s, ROOT.hparams, NUM_CLASSES).num_params for s in TINY.root_slots()}
    own = sizes[SlotName("norm")] + sizes[SlotName("head")]
    alone = cost_of(draft(ROOT, tiny_view()), A, tiny_view(), EQUIPMENT)
    shared = sum(sizes.values()) - own
    assert alone == Cost(accounted_params=own + shared / 2, flops=offspring(ROOT, "a").flops)


def test_the_cost_before_training_is_the_cost_after() -> None:
    for parent, resolution in ((ROOT, 8), (OTHER, 12), (MINE, 16)):
        start = moved(draft(parent), data_resolution=resolution)
        child = refit(start, parent, EQUIPMENT, NUM_CLASSES)
        model = model_of(completed(parent, child), (parent, ROOT), EQUIPMENT)
        before = EQUIPMENT.score.score(0.7, cost_of(child, A, VIEW, EQUIPMENT))
        assert score_of(model, VIEW, EQUIPMENT.score) == before


def test_a_model_records_what_its_job_was() -> None:
    child = draft(MINE)
    done = completed(MINE, child)
    model = model_of(done, (MINE, OTHER, ROOT), EQUIPMENT)
    assert model == identified(model)
    assert (model.task, model.parent, model.agent) == (A, MINE.id, "test")
    assert (model.iteration, model.generation, model.child, model.seed) == (3, 2, 1, 7)
    assert (model.mutations, model.mu) == ({"clone:block_0": 0.2}, {"clone:block_0": 0.22})
    assert (model.quality, model.samples, model.train_flops) == (0.7, 24, 5_000)
    assert model.code_version == "test"
    assert (model.hparams, model.flops) == (child.hparams, done.job.flops)
    assert (model.member, model.num_classes) == (TINY.member, NUM_CLASSES)


def test_shared_components_keep_their_record() -> None:
    model = model_of(completed(MINE, draft(MINE, private=False)), (MINE, OTHER, ROOT), EQUIPMENT)
    for slot in ("embedding", "cls", "pos", "block_0", "block_1"):
        assert component(model, slot) == component(MINE, slot)
    assert component(model, "block_1").cycles == {B: 2}
    assert component(model, "block_1").last_task == B


def test_cycles_add_up_by_task_over_the_whole_ancestry() -> None:
    of_b = offspring(ROOT, "b", own=("block_0", "norm", "head"))
    first = model_of(
        completed(of_b, replace(draft(of_b), plans=_all_trained(draft(of_b))), best_cycle=1),
        (of_b, ROOT),
        EQUIPMENT,
    )
    block = component(first, "block_0")
    assert (block.cycles, block.last_task) == ({B: 2, A: 1}, A)
    assert component(first, "head").cycles == {A: 1}
    assert component(first, "embedding").cycles == {A: 1}
    second = model_of(completed(first, draft(first), best_cycle=3), (first, of_b, ROOT), EQUIPMENT)
    assert component(second, "block_0").cycles == {B: 2, A: 4}
    assert component(second, "head").cycles == {A: 4}


def test_trained_components_carry_their_momentum_and_size() -> None:
    fitted = refit(moved(draft(MINE), data_resolution=16), MINE, EQUIPMENT, NUM_CLASSES)
    model = model_of(completed(MINE, fitted), (MINE, OTHER, ROOT), EQUIPMENT)
    pos = component(model, "pos")
    assert (pos.id, pos.momentum, pos.kind) == ("new pos", "momentum pos", "pos")
    assert pos.num_params == TINY.slot(SlotName("pos"), {"data.resolution": 16}, 2).num_params


def test_a_regrown_component_keeps_the_record_it_has_in_the_ancestor() -> None:
    cut = offspring(MINE, "a", without=["block_1"])
    child = replace(draft(cut), plans=(*draft(cut).plans[:4], draft(OTHER).plans[4], *draft(cut).plans[4:]))
    model = model_of(completed(cut, child), (cut, OTHER, ROOT), EQUIPMENT)
    assert component(model, "block_1") == component(OTHER, "block_1")


def test_a_lineage_goes_from_the_model_to_the_root() -> None:
    assert [*lineage(MINE, VIEW.models)] == [MINE, OTHER, ROOT]
    assert [*lineage(ROOT, VIEW.models)] == [ROOT]


def test_a_lineage_with_a_retired_ancestor_goes_on_with_the_root() -> None:
    orphan = offspring(offspring(ROOT, "a"), "a", child=1)
    assert [*lineage(orphan, VIEW.models)] == [orphan, ROOT]


def _all_trained(of: Draft) -> tuple[Plan, ...]:
    return tuple(replace(plan, trainable=True) for plan in of.plans)
