"""µ2Net+: parents, jobs, the rule of acceptance and the end of an iteration."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest

from taskgrove.agents.base import Assignment
from taskgrove.agents.effort import Effort
from taskgrove.agents.generations import GenerationState
from taskgrove.agents.methods.mu2net_plus import Mu2NetPlus, Mu2NetPlusOptions
from taskgrove.agents.population import Member, score_of
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import SlotName, TaskName
from taskgrove.domain.jobs import Clone, Completed, Fresh, JobFailed, Origin, Share, TrainJob, TrainResult
from taskgrove.domain.proposal import Proposal
from taskgrove.domain.records import AddEvaluation, Evaluation, Model
from taskgrove.domain.view import SystemView
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.testing.layouts import (
    TINY,
    TRAIN,
    offspring,
    tiny_equipment,
    tiny_root,
    tiny_store,
    tiny_view,
)
from taskgrove.trainer.fake import FakeTrainer

A, B = TaskName("a"), TaskName("b")
ROOT = tiny_root()
OTHER = offspring(ROOT, "b", own=("block_1", "norm", "head"), hparams={"opt.lr": 0.1}, quality=0.6)
MINE = offspring(OTHER, "a", own=("block_0", "pos", "norm", "head"), quality=0.5)
MANY = 120
"""Children of one generation, so that every kind of mutation is drawn."""


def agent(
    *,
    generations: int = 2,
    children: int = MANY,
    private: str = "train",
    learn_mu: bool = True,
    regrow: bool = False,
) -> Mu2NetPlus:
    options = Mu2NetPlusOptions(
        generations=generations, children=children, private=private, learn_mu=learn_mu, regrow=regrow
    )
    return Mu2NetPlus(equipment=tiny_equipment(), options=options)


def begin(who: Mu2NetPlus, view: SystemView, seed: int = 0) -> GenerationState:
    return who.init(view, Assignment(seed=seed, task=A, iteration=view.iterations.get(A, 0)))


def jobs(who: Mu2NetPlus, view: SystemView, seed: int = 0) -> tuple[TrainJob, ...]:
    return who.ask(begin(who, view, seed), view)


def train(job: TrainJob) -> Completed:
    trainer = FakeTrainer(Store.create(MemoryBackend()), TINY)
    return Completed(job=job, outcome=trainer.train(replace(job, bar=0.0)))


def with_quality(done: Completed, quality: float) -> Completed:
    assert isinstance(done.outcome, TrainResult)
    return replace(done, outcome=replace(done.outcome, quality=quality))


def origin(job: TrainJob, slot: str) -> Origin:
    return dict(job.slots)[SlotName(slot)]


def children_of(parent: Model, found: tuple[TrainJob, ...]) -> list[TrainJob]:
    chosen = [job for job in found if job.parent == parent.id]
    assert chosen
    return chosen


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("generations", 0, "got 0 and 8"),
        ("generations", -1, "got -1 and 8"),
        ("children", 0, "got None and 0"),
        ("children", -3, "got None and -3"),
        ("private", "freeze", "'train' or 'mutate', got 'freeze'"),
    ],
)
def test_options_out_of_range_are_refused(option: str, value: int | str, message: str) -> None:
    with pytest.raises(BadValueError, match=message):
        Mu2NetPlusOptions(**{option: value})  # type: ignore[arg-type]


def test_the_options_of_the_paper_are_the_defaults() -> None:
    who = Mu2NetPlus(equipment=tiny_equipment())
    assert who.effort() == Effort(generations=4, children=8, cycles=TRAIN.cycles)
    assert who.total_children() == 32


def test_jobs_are_asked_in_the_order_of_children() -> None:
    asked = jobs(agent(children=5), tiny_view(OTHER, MINE))
    assert [job.child for job in asked] == [0, 1, 2, 3, 4]
    assert {job.generation for job in asked} == {0}


def test_a_child_is_the_same_whatever_was_told_before_it() -> None:
    who, view = agent(children=6), tiny_view(OTHER, MINE)
    asked = jobs(who, view)
    told = who.tell(begin(who, view), [train(asked[i]) for i in (4, 1)], view)
    assert who.ask(told, view) == tuple(asked[i] for i in (0, 2, 3, 5))


def test_the_same_seed_gives_the_same_jobs_and_another_gives_others() -> None:
    view = tiny_view(OTHER, MINE)
    assert jobs(agent(), view, seed=3) == jobs(agent(), view, seed=3)
    one, two = jobs(agent(), view, seed=3), jobs(agent(), view, seed=4)
    assert {job.seed for job in one}.isdisjoint(job.seed for job in two)
    assert [job.mutations for job in one] != [job.mutations for job in two]


def test_seeds_are_of_initialisation_apart_from_sampling() -> None:
    one = jobs(agent(children=1), tiny_view())[0]
    other = jobs(agent(children=1, private="mutate", learn_mu=False), tiny_view())[0]
    assert one.seed == other.seed


def test_the_first_parent_is_the_best_of_the_task_when_it_was_never_selected() -> None:
    assert jobs(agent(), tiny_view(OTHER, MINE))[0].parent == MINE.id


def test_selections_of_earlier_iterations_come_from_the_view() -> None:
    tired = tiny_view(OTHER, MINE, selections={"a": {MINE.id: 2000, OTHER.id: 2000}})
    assert jobs(agent(), tired)[0].parent == ROOT.id
    elsewhere = tiny_view(OTHER, MINE, selections={"b": {MINE.id: 2000}})
    assert jobs(agent(), elsewhere)[0].parent == MINE.id


def test_selections_count_from_child_to_child_and_over_generations() -> None:
    who = agent(children=8)
    view = tiny_view(OTHER, MINE, selections={"a": {MINE.id: 1, ROOT.id: 2}})
    state, counts = begin(who, view), {MINE.id: 1, ROOT.id: 2}
    for _ in range(2):
        asked = who.ask(state, view)
        for job in asked:
            counts[job.parent] = counts.get(job.parent, 0) + 1
        state = who.tell(state, [train(job) for job in asked], view)
        assert state.selections == counts
    assert sum(counts.values()) == 3 + 2 * 8


def test_later_generations_draw_parents_from_accepted_children() -> None:
    who, view = agent(children=8), tiny_view()
    state = begin(who, view)
    state = who.tell(state, [train(job) for job in who.ask(state, view)], view)
    accepted = {member.model.id for member in state.population}
    assert len(accepted) == 8, "children of another task's model are always accepted"
    best = max(state.population, key=lambda member: member.score)
    assert who.ask(state, view)[0].parent == best.model.id
    assert {job.generation for job in who.ask(state, view)} == {1}


def test_the_head_is_new_for_another_tasks_parent_and_copied_for_the_same() -> None:
    asked = jobs(agent(), tiny_view(OTHER, MINE))
    for parent in (ROOT, OTHER):
        assert all(origin(job, "head") == Fresh() for job in children_of(parent, asked))
    head = MINE.components[-1]
    copied = Clone(component=head.id, momentum=head.momentum)
    assert all(origin(job, "head") == copied for job in children_of(MINE, asked))


@pytest.mark.parametrize("private", ["train", "mutate"])
def test_the_norm_is_always_copied(private: str) -> None:
    asked = jobs(agent(private=private), tiny_view(OTHER, MINE))
    for parent in (ROOT, OTHER, MINE):
        norm = parent.components[-2]
        copied = Clone(component=norm.id, momentum=norm.momentum)
        assert all(origin(job, "norm") == copied for job in children_of(parent, asked))


def test_private_components_are_trained_without_a_mutation() -> None:
    for job in children_of(MINE, jobs(agent(), tiny_view(OTHER, MINE))):
        assert isinstance(origin(job, "block_0"), Clone)
        assert isinstance(origin(job, "pos"), Clone)
        assert not {"clone:block_0", "clone:pos"} & {*job.mutations}


def test_private_components_stay_frozen_without_a_mutation_when_asked_so() -> None:
    chosen = children_of(MINE, jobs(agent(private="mutate"), tiny_view(OTHER, MINE)))
    for job in chosen:
        assert isinstance(origin(job, "block_0"), Clone) == ("clone:block_0" in job.mutations)
    assert len({"clone:block_0" in job.mutations for job in chosen}) == 2


def test_shared_components_are_trained_only_when_cloned() -> None:
    asked = jobs(agent(), tiny_view(OTHER, MINE))
    for job in children_of(OTHER, asked):
        for slot, where in job.slots[:-2]:
            resized = isinstance(where, Clone) and where.resize
            assert isinstance(where, Share) == (f"clone:{slot}" not in job.mutations and not resized)
    assert any("clone:block_1" in job.mutations for job in children_of(OTHER, asked))


def test_another_resolution_resamples_the_positions_without_momentum() -> None:
    asked = jobs(agent(), tiny_view(OTHER, MINE))
    changed = 0
    for job in children_of(MINE, asked):
        pos = origin(job, "pos")
        assert isinstance(pos, Clone)
        moved = job.hparams["data.resolution"] != MINE.hparams["data.resolution"]
        component = MINE.component(SlotName("pos"))
        assert component is not None
        assert pos == Clone(
            component=component.id, momentum=None if moved else component.momentum, resize=moved
        )
        changed += moved
    assert 0 < changed < len(asked)


def test_resampled_positions_are_not_cloned_besides() -> None:
    for job in children_of(ROOT, jobs(agent(), tiny_view())):
        if job.hparams["data.resolution"] != ROOT.hparams["data.resolution"]:
            assert "clone:pos" not in job.mutations


def test_every_job_is_a_model_and_some_lose_their_top_layer() -> None:
    asked = jobs(agent(), tiny_view(OTHER, MINE))
    for job in asked:
        TINY.check([slot for slot, _ in job.slots])
        assert ("block_1" not in dict(job.slots)) == ("remove:layer" in job.mutations)
    assert any("remove:layer" in job.mutations for job in asked)


def test_removed_layers_come_back_only_when_asked_for() -> None:
    cut = offspring(ROOT, "a", without=["block_1"], quality=0.4)
    view = tiny_view(cut)
    for job in jobs(agent(), view):
        assert "regrow:layer" not in job.mutations
    regrown = [job for job in jobs(agent(regrow=True), view) if "regrow:layer" in job.mutations]
    block = ROOT.component(SlotName("block_1"))
    assert block is not None
    assert regrown
    for job in children_of(cut, tuple(regrown)):
        cloned = "clone:block_1" in job.mutations
        expected = Clone(component=block.id) if cloned else Share(component=block.id)
        assert origin(job, "block_1") == expected


def test_children_inherit_hyperparameters_from_another_tasks_parent() -> None:
    for job in children_of(OTHER, jobs(agent(), tiny_view(OTHER, MINE))):
        moved = {name.removeprefix("hp:") for name in job.mutations if name.startswith("hp:")}
        assert {name for name, value in job.hparams.items() if value != OTHER.hparams[name]} == moved


def test_mu_is_learned_and_inherited() -> None:
    view = tiny_view(offspring(ROOT, "a", mu={"remove:layer": 0.02}, quality=0.4))
    asked = jobs(agent(), view)
    assert any("hp:opt.lr" in job.mu for job in asked)
    own = [job.mu["remove:layer"] for job in asked if job.parent != ROOT.id]
    assert set(own) == {0.02, 0.04}
    assert any("hp:mu" in job.mutations for job in asked)


def test_without_learning_the_table_and_the_scalar_stay() -> None:
    for job in jobs(agent(learn_mu=False), tiny_view(OTHER, MINE)):
        assert (job.mu, job.hparams["mu"]) == ({}, 0.2)
        assert "hp:mu" not in job.mutations


def test_the_bar_is_the_parents_score_for_the_same_task_and_nothing_otherwise() -> None:
    who, view = agent(), tiny_view(OTHER, MINE)
    asked = jobs(who, view)
    target = score_of(MINE, view, who.equipment.score)
    for job in children_of(MINE, asked):
        assert math.isclose(job.bar * job.factor, target, rel_tol=1e-11)
    assert {job.bar for parent in (ROOT, OTHER) for job in children_of(parent, asked)} == {0.0}


def test_a_child_of_the_same_task_is_accepted_from_its_parents_score_on() -> None:
    who, view = agent(), tiny_view(OTHER, MINE)
    state = begin(who, view)
    target = score_of(MINE, view, who.equipment.score)
    for job in children_of(MINE, who.ask(state, view)):
        done, enough = train(job), target / job.factor
        verdict = who.judge(state, with_quality(done, enough * (1 + 1e-9)), view)
        assert verdict.model is not None
        assert verdict.score == pytest.approx(target)
        assert who.judge(state, with_quality(done, enough * (1 - 1e-9)), view).model is None


def test_a_child_exactly_as_good_and_as_costly_as_its_parent_is_accepted() -> None:
    who, view = agent(), tiny_view(OTHER, MINE)
    state = begin(who, view)
    free = {"hp:arch.adapter_dim", "hp:data.flip", "hp:mu", "hp:opt.lr", "hp:opt.schedule"}
    like = [job for job in children_of(MINE, who.ask(state, view)) if free.issuperset(job.mutations)]
    assert like
    for job in like:
        assert job.bar <= MINE.quality
        assert who.judge(state, with_quality(train(job), MINE.quality), view).model is not None


def test_any_child_of_another_tasks_parent_is_accepted() -> None:
    who, view = agent(), tiny_view(OTHER, MINE)
    state = begin(who, view)
    for job in children_of(ROOT, who.ask(state, view)):
        verdict = who.judge(state, with_quality(train(job), 0.0), view)
        assert verdict.score == 0.0
        assert verdict.model is not None


def test_a_child_that_failed_is_rejected_without_a_score() -> None:
    who, view = agent(children=1), tiny_view()
    state = begin(who, view)
    (job,) = who.ask(state, view)
    failed = Completed(job=job, outcome=JobFailed(kind="diverged", text="The loss is NaN.", seed=job.seed))
    verdict = who.judge(state, failed, view)
    assert (verdict.score, verdict.model) == (None, None)
    assert who.tell(state, [failed], view).selections == {ROOT.id: 1}


def test_a_member_has_the_score_that_its_model_has_at_the_view() -> None:
    who, view = agent(children=12), tiny_view(OTHER, MINE)
    state = begin(who, view)
    state = who.tell(state, [train(job) for job in who.ask(state, view)], view)
    assert len(state.population) > 1
    for member in state.population:
        assert member.score == score_of(member.model, view, who.equipment.score)


def test_the_best_of_the_population_is_proposed_and_the_newest_of_equals() -> None:
    who, view = agent(), tiny_view(OTHER, MINE)
    models = [offspring(MINE, "a", child=child) for child in range(4)]
    scored = zip(models, (0.3, 0.9, 0.9, 0.8), strict=True)
    population = tuple(Member(model=model, score=score) for model, score in scored)
    state = replace(begin(who, view), population=population)
    assert who.conclude(state, view) == Proposal(task=A, best=models[2].id, score=0.9)


def test_a_task_without_any_accepted_child_gets_no_model() -> None:
    who, view = agent(), tiny_view(OTHER)
    assert who.conclude(begin(who, view), view) == Proposal(task=A, best=None, score=None)


def test_an_iteration_is_finished_after_its_generations() -> None:
    who, view = agent(generations=3, children=2), tiny_view()
    state = begin(who, view)
    for _ in range(3):
        assert not who.finished(state)
        state = who.tell(state, [train(job) for job in who.ask(state, view)], view)
    assert who.finished(state)
    assert who.ask(state, view) == ()


def test_a_budget_is_spent_on_as_many_generations_as_it_pays_for() -> None:
    equipment = replace(tiny_equipment(), budget=3 * 2 * TRAIN.cycles)
    who, view = Mu2NetPlus(equipment=equipment, options=Mu2NetPlusOptions(children=2)), tiny_view()
    state, spent = begin(who, view), 0
    while not who.finished(state):
        asked = who.ask(state, view)
        spent += sum(job.config.cycles for job in asked)
        state = who.tell(state, [train(job) for job in asked], view)
    assert (state.generation, spent) == (3, equipment.budget)
    assert {job.config for job in who.ask(begin(who, view), view)} == {TRAIN}


def test_a_budget_that_is_not_of_whole_generations_is_refused() -> None:
    who = Mu2NetPlus(equipment=replace(tiny_equipment(), budget=8 * TRAIN.cycles + 1))
    with pytest.raises(BadValueError, match="a budget of 17 train cycles"):
        who.total_children()


def test_outcomes_of_finished_generations_are_kept_in_the_order_of_children() -> None:
    who, view = agent(generations=2, children=3), tiny_view()
    state = begin(who, view)
    done: list[Completed] = []
    for _ in range(2):
        outcomes = [train(job) for job in who.ask(state, view)]
        assert state.past == tuple(done)
        state = who.tell(state, outcomes[::-1], view)
        done += outcomes
    assert state.past == tuple(done)


def test_versions_and_models_as_good_as_the_last_replace_it() -> None:
    assert {job.strict for job in jobs(agent(), tiny_view(OTHER, MINE))} == {False}


def test_an_agent_never_sees_an_evaluation() -> None:
    names = {field.name for field in fields(SystemView)}
    assert not [name for name in names if "evaluation" in name or "test" in name]
    store = tiny_store(MemoryBackend())
    before = store.view()
    evaluation = Evaluation(model=ROOT.id, task=A, split="test", accuracy=0.9, num_samples=10)
    store.commit(AddEvaluation(evaluation=evaluation))
    assert replace(store.view(), number=before.number) == before
