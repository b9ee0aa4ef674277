"""muNet (001): every claim of its paper that method.md keeps, with exact probabilities where it has some."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain, combinations, permutations
from random import Random
from typing import Any, final

import pytest
import torch

from taskgrove.agents.generations import AbstractGenerational
from taskgrove.agents.population import score_of
from taskgrove.backbones.families import family_of
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import ModelId, SlotName
from taskgrove.domain.jobs import Clone, Fresh, Share, TrainResult
from taskgrove.domain.records import Model
from taskgrove.domain.view import SystemView
from taskgrove.experiment.build import root_cost
from taskgrove.experiment.spec import ScoreSpec
from taskgrove.scoring.accounting import accounted_params
from taskgrove.scoring.base import Cost
from taskgrove.testing.layouts import TINY, tiny_view
from tests.unit.exact_chance import distribution
from tests.unit.method_cases import (
    ROOT,
    A,
    agent_of,
    begin,
    breeder,
    half_lives,
    iterate,
    members,
    origin,
    train,
    trained,
    turn_of,
)

MUNET = agent_of("munet")
FLIP = agent_of("munet", searched=("data.flip",))
"""So few possible mutations that all sets of them can be enumerated."""
OTHER = trained(MUNET, "b", own=("block_1", "norm", "head"), quality=0.6)
THIRD = trained(MUNET, "c", own=("block_0", "norm", "head"), quality=0.7)
MINE = trained(MUNET, "a", quality=0.5)
VIEW = tiny_view(OTHER, THIRD, MINE, tasks="abc")
NEW = tiny_view(OTHER, THIRD, tasks="abc")
"""Task a has no model yet."""

POSSIBLE = frozenset(
    {
        "hp:data.flip",
        "remove:layer",
        "insert:adapter_0",
        "insert:adapter_1",
        *(f"clone:{slot}" for slot in ("embedding", "cls", "pos", "block_0", "block_1")),
    }
)
OF_THE_TOP = {"insert:adapter_1", "clone:block_1"}
"""Impossible once the top layer is removed."""
TENTH = Fraction(1, 10)


def sets_of_mutations() -> dict[frozenset[str], Fraction]:
    """Every possible mutation independently with probability 1/10 (001, Algorithm 1, lines 28 to 32)."""
    sizes = range(len(POSSIBLE) + 1)
    chances: dict[frozenset[str], Fraction] = {}
    for chosen in map(frozenset, chain(*(combinations(sorted(POSSIBLE), n) for n in sizes))):
        gone = OF_THE_TOP if "remove:layer" in chosen else set()
        if chosen.isdisjoint(gone):
            chances[chosen] = TENTH ** len(chosen) * (1 - TENTH) ** len(POSSIBLE - chosen - gone)
    return chances


def of_another_search(task: str) -> Model:
    """A model with another µ and a table of them, as µ2Net and µ2Net+ leave it."""
    return trained(FLIP, task, hparams={"mu": 0.3}, mu={"remove:layer": 0.02, "clone:cls": 0.3})


@pytest.mark.parametrize("parent", [ROOT, trained(FLIP, "b"), of_another_search("b"), of_another_search("a")])
def test_each_of_the_four_mutations_is_drawn_once_with_probability_one_tenth(parent: Model) -> None:
    view = tiny_view() if parent == ROOT else tiny_view(parent)
    child = breeder(FLIP, view, parent)
    assert distribution(lambda rng: frozenset(child(rng).applied)) == sets_of_mutations()


@pytest.mark.parametrize("parent", [ROOT, of_another_search("b"), of_another_search("a")])
def test_mu_is_a_constant_whatever_the_parent_had(parent: Model) -> None:
    agent = agent_of("munet", {"generations": 1, "children": 60})
    view = tiny_view() if parent == ROOT else tiny_view(parent)
    later = [job for job in iterate(agent, view) if job.child >= len(view.published())]
    assert {chance for job in later for chance in job.mutations.values()} == {0.1}
    assert {job.hparams["mu"] for job in later} == {0.1}
    assert not any("hp:mu" in job.mutations for job in later)


def inherited_from(parent: ModelId) -> Hparams:
    """What a child starts with; a root's begins with the defaults of the search space."""
    return MUNET.equipment.space.defaults() if parent == ROOT.id else VIEW.models[parent].hparams


def test_four_types_of_mutation_occur_and_no_other() -> None:
    jobs = iterate(agent_of("munet", {"generations": 1, "children": 100}), VIEW)
    assert {name.split(":")[0] for job in jobs for name in job.mutations} == {
        "clone",
        "insert",
        "remove",
        "hp",
    }


def test_a_numerical_hyperparameter_moves_to_a_neighbouring_value() -> None:
    space = MUNET.equipment.space
    for job in iterate(agent_of("munet", {"generations": 1, "children": 100}), VIEW)[3:]:
        before = inherited_from(job.parent)
        for name in space.defaults().keys() - {"mu"}:
            moved = f"hp:{name}" in job.mutations
            assert (job.hparams[name] != before[name]) == moved
            assert not moved or job.hparams[name] in space[name].neighbours(before[name])


@final
class OneOrder(Random):
    """Shuffles alike every time, in an order that is drawn once."""

    def __init__(self, rng: Random) -> None:
        super().__init__(0)
        self.rng = rng
        self.order: list[int] = []

    def shuffle(self, x: MutableSequence[Any]) -> None:
        if not self.order:
            self.order = [*range(len(x))]
            self.rng.shuffle(self.order)
        x[:] = [x[i] for i in self.order]


@pytest.mark.parametrize("view", [NEW, VIEW], ids=["first iteration", "later iteration"])
def test_every_order_of_the_seed_parents_is_equally_likely(
    view: SystemView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each child works the iteration's order out again, so it is drawn apart from the child's numbers."""
    state, seeds = begin(MUNET, view), (ROOT, OTHER, THIRD)

    def run(rng: Random) -> tuple[ModelId, ...]:
        order = OneOrder(rng)
        with monkeypatch.context() as patch:
            patch.setattr("taskgrove.agents.methods.munet.Random", lambda _: order)
            turns = [turn_of(state, view, Random(0), number=number) for number in range(len(seeds))]
            return tuple(MUNET.parent(turn).id for turn in turns)

    expected = {order: Fraction(1, 6) for order in permutations(seed.id for seed in seeds)}
    assert distribution(run) == expected


def test_each_iteration_begins_with_every_seed_once_in_an_order_of_its_own() -> None:
    orders = set()
    for done in range(20):
        view = replace(VIEW, iterations={A: done}, selections={A: dict.fromkeys(VIEW.models, 50)})
        parents = [job.parent for job in MUNET.ask(begin(MUNET, view), view)]
        orders.add(tuple(parents[:3]))
        assert set(parents[:3]) == {ROOT.id, OTHER.id, THIRD.id}
    assert len(orders) > 3


def test_the_seed_phase_goes_on_in_the_next_generation() -> None:
    jobs = iterate(agent_of("munet", {"generations": 3, "children": 2}), VIEW)
    assert {job.parent for job in jobs[:3]} == {ROOT.id, OTHER.id, THIRD.id}
    assert [bool(job.mutations) for job in jobs[:3]] == [False] * 3


@pytest.mark.parametrize("private", ["train", "mutate"])
def test_a_seed_parents_child_gets_a_new_head_and_nothing_else(private: str) -> None:
    jobs = iterate(agent_of("munet", {"generations": 1, "private": private}), VIEW)[:3]
    for job in jobs:
        parent = VIEW.models[job.parent]
        shared = [(c.slot, Share(component=c.id)) for c in parent.components[:-1]]
        assert job.slots == (*shared, ("head", Fresh()))
        assert (job.mutations, job.mu) == ({}, {})
        assert job.hparams == inherited_from(parent.id)


@pytest.mark.parametrize(
    ("own", "counts"),
    [
        ([0.5], [0]),
        ([0.5], [1]),
        ([0.5, 0.7], [2, 1]),
        ([0.7, 0.5], [2, 1]),
        ([0.5, 0.7, 0.6], [1, 3, 2]),
        ([0.6, 0.6, 0.6], [1, 2, 3]),
        ([], []),
    ],
)
def test_parents_are_tried_by_descending_score_with_half_lives_of_one_offspring(
    own: list[float], counts: list[int]
) -> None:
    """001, Eq. 1, then uniformly over A and M; of equal scores the older model is tried first."""
    models = [trained(MUNET, "a", parent=OTHER, child=child) for child in range(len(own))]
    population = members(*zip(models, own, strict=True))
    state = replace(begin(MUNET, NEW), population=population)
    selections = {m.id: count for m, count in zip(models, counts, strict=True)}
    by_score = [m.model for m in sorted(population, key=lambda m: -m.score)]

    def run(rng: Random) -> ModelId:
        return MUNET.parent(turn_of(state, NEW, rng, selections=selections)).id

    assert distribution(run) == half_lives(by_score, [*models, *NEW.published()], selections)


def test_other_tasks_models_are_no_candidates_but_part_of_the_uniform_choice() -> None:
    tired = {MINE.id: 5_000, ROOT.id: 5_000}

    def run(rng: Random) -> ModelId:
        return MUNET.parent(turn_of(begin(MUNET, VIEW), VIEW, rng, selections=tired)).id

    assert distribution(run, grid=2) == {m.id: Fraction(1, 4) for m in (MINE, ROOT, OTHER, THIRD)}


def test_offsprings_of_earlier_iterations_and_of_the_same_generation_count() -> None:
    fresh = iterate(agent_of("munet", {"generations": 1, "children": 4}), VIEW)
    assert fresh[3].parent == MINE.id, "the first after the seeds, since it has no offspring"
    tired = replace(VIEW, selections={A: {MINE.id: 5_000}})
    uniform = agent_of("munet", {"generations": 1, "children": 40})
    parents = [job.parent for job in iterate(uniform, tired)[3:]]
    assert set(parents) == {*VIEW.models}, "by chance alone"
    counted = iterate(uniform, VIEW)[3:]
    assert counted[0].parent == MINE.id
    assert 1 < [job.parent for job in counted].count(MINE.id) < len(counted)


def test_every_child_has_a_fresh_optimiser() -> None:
    assert all(c.momentum is not None for c in MINE.components if c.last_task is not None)
    clones = [
        where
        for job in iterate(agent_of("munet", {"generations": 2, "children": 30}), VIEW)
        for _, where in job.slots
        if isinstance(where, Clone)
    ]
    assert clones
    assert {clone.momentum for clone in clones} == {None}


def judged(agent: AbstractGenerational, quality: Callable[[float], float], parent: Model) -> list[bool]:
    """Whether children of `parent` are accepted with a quality made of the one that scores as it does."""
    view = tiny_view(OTHER, parent) if parent.task == A else VIEW
    state = begin(agent, view)
    target = agent.equipment.score.score(parent.quality, Cost(accounted_params=0.0, flops=0))
    found = []
    for job in agent.ask(state, view):
        if job.parent == parent.id:
            done = train(job)
            assert isinstance(done.outcome, TrainResult)
            outcome = replace(done.outcome, quality=quality(target))
            verdict = agent.judge(state, replace(done, outcome=outcome), view)
            found.append(verdict.model is not None)
    assert found
    return found


def test_a_child_of_the_same_task_must_be_better_than_its_parent() -> None:
    agent = agent_of("munet", {"generations": 1, "children": 16})
    assert not any(judged(agent, lambda equal: equal, MINE))
    assert all(judged(agent, lambda equal: equal + 1e-6, MINE))
    assert not any(judged(agent, lambda equal: equal - 1e-6, MINE))


def test_a_child_must_be_better_than_a_parent_that_knows_nothing() -> None:
    agent = agent_of("munet", {"generations": 1, "children": 16})
    assert not any(judged(agent, lambda equal: equal, trained(MUNET, "a", quality=0.0)))


def test_any_child_of_another_tasks_model_is_kept() -> None:
    assert all(judged(MUNET, lambda _: 0.0, OTHER))


def test_the_bar_that_travels_with_the_job_is_strict() -> None:
    agent = agent_of("munet", {"generations": 1, "children": 16}, score=ScoreSpec(scale=0.9))
    jobs = [job for job in agent.ask(begin(agent, VIEW), VIEW) if job.parent == MINE.id]
    target = score_of(MINE, VIEW, agent.equipment.score)
    assert jobs
    for job in jobs:
        assert job.strict
        assert target < job.bar * job.factor < target * (1 + 1e-11)


def test_the_oldest_of_the_best_is_kept_at_the_end() -> None:
    models = [trained(MUNET, "a", child=child) for child in range(4)]
    population = members(*zip(models, (0.3, 0.9, 0.9, 0.8), strict=True))
    proposal = MUNET.conclude(replace(begin(MUNET, NEW), population=population), NEW)
    assert (proposal.best, proposal.score) == (models[1].id, 0.9)


def test_the_score_is_equation_2_in_which_the_root_is_no_sharer() -> None:
    score = agent_of("munet", score=ScoreSpec(scale=0.3)).equipment.score
    root = root_cost(TINY.member)
    assert not score.count_roots
    for accounted in (0.0, 1_000.0, root.accounted_params, 3 * root.accounted_params):
        for flops in (0, 10**12):
            expected = 0.8 * 0.3 ** (accounted / root.accounted_params)
            assert score.score(0.8, Cost(accounted_params=accounted, flops=flops)) == pytest.approx(expected)


def test_a_component_that_a_task_shares_with_the_root_alone_counts_in_full() -> None:
    alone = tiny_view(MINE)
    assert accounted_params(MINE, alone, count_roots=MUNET.equipment.score.count_roots) == MINE.num_params


@pytest.mark.parametrize("schedule", ["constant", "cosine", "restarts"])
def test_each_schedule_can_become_each_other_one(schedule: str) -> None:
    parent = trained(MUNET, "a", hparams={"opt.schedule": schedule})
    child = breeder(agent_of("munet", searched=("opt.schedule",)), tiny_view(parent), parent)
    others = {"constant", "cosine", "restarts"} - {schedule}
    expected = {schedule: 1 - TENTH, **dict.fromkeys(others, TENTH / 2)}
    assert distribution(lambda rng: child(rng).draft.hparams["opt.schedule"]) == expected


def test_another_inner_dimension_starts_every_adapter_anew() -> None:
    parent = trained(MUNET, "a", own=("adapter_0", "adapter_1", "norm", "head"))
    agent = agent_of("munet", {"generations": 1, "children": 120}, searched=("arch.adapter_dim",))
    jobs = [job for job in iterate(agent, tiny_view(parent)) if job.parent == parent.id]
    moved = [job for job in jobs if "hp:arch.adapter_dim" in job.mutations]
    assert {job.hparams["arch.adapter_dim"] for job in moved} == {16, 64}
    for job in jobs:
        left = [where for slot, where in job.slots if slot.startswith("adapter_")]
        assert {isinstance(where, Fresh) for where in left} == {job in moved}


def test_an_adapter_adds_two_dense_layers_of_its_normalised_input() -> None:
    """001, §2.1: norm, down, GELU, up, added to the input; nothing at first, since up is zero."""
    family = family_of(TINY.member)
    slot = family.layout(TINY.member).slot(SlotName("adapter_0"), MUNET.equipment.space.defaults(), 3)
    generator = torch.Generator().manual_seed(1)
    zero, x_BTD = family.init(slot, generator), torch.randn(2, 5, 16, generator=generator)
    assert torch.equal(family.apply(slot, zero, x_BTD), x_BTD)
    p = {name: torch.randn(tensor.shape, generator=generator) for name, tensor in zero.items()}
    deviation = x_BTD - x_BTD.mean(-1, keepdim=True)
    normal = deviation / (deviation.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    inner = (normal * p["norm_weight"] + p["norm_bias"]) @ p["down_weight"].T + p["down_bias"]
    inner = inner * (1 + torch.erf(inner / 2**0.5)) / 2
    torch.testing.assert_close(
        family.apply(slot, p, x_BTD), x_BTD + inner @ p["up_weight"].T + p["up_bias"], rtol=1e-4, atol=1e-4
    )


def test_a_new_adapter_goes_between_the_layers_and_is_trained() -> None:
    jobs = iterate(agent_of("munet", {"generations": 1, "children": 120}), VIEW)
    for job in jobs:
        inserted = {name.removeprefix("insert:") for name in job.mutations if name.startswith("insert:")}
        assert {slot for slot, _ in job.slots if slot.startswith("adapter_")} == inserted
        assert all(origin(job, slot) == Fresh() for slot in inserted)
    assert any("insert:adapter_1" in job.mutations for job in jobs)


@pytest.mark.parametrize("seed", range(3))
def test_without_auto_tuning_no_hyperparameter_leaves_its_default_and_layers_may_go(seed: int) -> None:
    agent = agent_of("munet", {"generations": 2, "children": 40, "auto_tune": False})
    jobs = iterate(agent, VIEW, seed=seed)
    assert {key for job in jobs for key in job.hparams} == {*agent.equipment.space.defaults()}
    assert all(job.hparams == agent.equipment.space.defaults() for job in jobs)
    kinds = {name.split(":")[0] for job in jobs for name in job.mutations}
    assert kinds == {"clone", "insert", "remove"}


@pytest.mark.parametrize("seed", range(3))
def test_without_adapters_none_is_ever_inserted(seed: int) -> None:
    jobs = iterate(
        agent_of("munet", {"generations": 2, "children": 40, "insert_adapters": False}), VIEW, seed=seed
    )
    assert not any(slot.startswith("adapter_") for job in jobs for slot, _ in job.slots)
    assert {name.split(":")[0] for job in jobs for name in job.mutations} == {"clone", "remove", "hp"}


def test_the_top_layer_may_go_and_the_last_one_never_does() -> None:
    jobs = iterate(agent_of("munet", {"generations": 3, "children": 60}), VIEW)
    depths = {sum(slot.startswith("block_") for slot, _ in job.slots) for job in jobs}
    assert depths == {1, 2}
    for job in jobs:
        TINY.check([slot for slot, _ in job.slots])


def test_an_iteration_is_eight_generations_of_eight_children() -> None:
    assert MUNET.total_children() == 64
    assert len(iterate(MUNET, NEW)) == 64
    assert {job.generation for job in iterate(MUNET, NEW)} == {*range(8)}


def test_the_budget_is_shared_out_as_in_equation_4() -> None:
    agent = agent_of("munet", budget=3 * 8 * 2)
    jobs = iterate(agent, NEW)
    assert len(jobs) == 3 * 8
    assert sum(job.config.cycles for job in jobs) == 3 * 8 * 2
