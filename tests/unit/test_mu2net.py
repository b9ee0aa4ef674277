"""µ2Net, as µ2Net+ (000, §3) describes what it extends: two mutations and one learned µ per model."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from random import Random

import pytest

from taskgrove.agents.generations import AbstractGenerational
from taskgrove.agents.population import score_of
from taskgrove.domain.ids import ModelId
from taskgrove.domain.jobs import Clone, TrainJob, TrainResult
from taskgrove.domain.records import Model
from taskgrove.experiment.build import root_cost
from taskgrove.experiment.spec import ScoreSpec
from taskgrove.scoring.base import Cost
from taskgrove.testing.layouts import TINY, tiny_view
from tests.unit.exact_chance import distribution
from tests.unit.method_cases import (
    ROOT,
    agent_of,
    begin,
    breeder,
    half_lives,
    iterate,
    members,
    train,
    trained,
    turn_of,
)

MU2NET = agent_of("mu2net")
OTHER = trained(MU2NET, "b", own=("block_1", "norm", "head"), quality=0.6)
MINE = trained(MU2NET, "a", own=("block_0", "norm", "head"), quality=0.5)
VIEW = tiny_view(OTHER, MINE)
NEW = tiny_view(OTHER)
WIDE = agent_of("mu2net", {"generations": 1, "children": 100})
"""Many children, so that every kind of mutation is drawn."""


def mine(mu: float) -> Model:
    """A model of the task in which nothing is left to be cloned."""
    slots = [str(slot) for slot in TINY.root_slots()]
    return trained(MU2NET, "a", own=slots, hparams={"mu": mu})


def test_two_types_of_mutation_occur_and_no_other() -> None:
    jobs = iterate(WIDE, VIEW)
    assert {name.split(":")[0] for job in jobs for name in job.mutations} == {"clone", "hp"}
    assert {tuple(slot for slot, _ in job.slots) for job in jobs} == {TINY.root_slots()}


def test_the_resolution_never_moves() -> None:
    jobs = iterate(WIDE, VIEW)
    assert {job.hparams["data.resolution"] for job in jobs} == {ROOT.hparams["data.resolution"]}
    assert not any("hp:data.resolution" in job.mutations for job in jobs)
    moved = {name for job in jobs for name in job.mutations if name.startswith("hp:")}
    searched = {f"hp:{c.name}" for c in MU2NET.equipment.space if len(c.values) > 1}
    assert moved == searched


def around(mu: Fraction) -> list[Fraction]:
    """The neighbours of a probability among the multiples of 0.02 from 0.1 to 0.3."""
    step = Fraction(2, 100)
    return [v for v in (mu - step, mu + step) if Fraction(1, 10) <= v <= Fraction(3, 10)]


def values_after(mu: Fraction) -> dict[Fraction, Fraction]:
    """What a child's µ is, with which probability: µ moves with probability µ to either neighbour."""
    return {mu: 1 - mu, **{value: mu / len(around(mu)) for value in around(mu)}}


@pytest.mark.parametrize("before", [0.1, 0.14, 0.2, 0.3])
def test_mu_moves_with_its_own_probability_and_is_then_that_of_hyperparameters(before: float) -> None:
    parent = mine(before)
    child = breeder(agent_of("mu2net", searched=("mu", "data.flip")), tiny_view(parent), parent)

    def run(rng: Random) -> tuple[Fraction, bool]:
        sampled = child(rng)
        return Fraction(str(sampled.draft.hparams["mu"])), "hp:data.flip" in sampled.applied

    values = values_after(Fraction(str(before)))
    expected = {(mu, True): chance * mu for mu, chance in values.items()}
    assert distribution(run) == expected | {(mu, False): c * (1 - mu) for mu, c in values.items()}


@pytest.mark.parametrize("before", [0.1, 0.14, 0.2, 0.3])
def test_each_shared_layer_is_cloned_independently_with_the_childs_mu(before: float) -> None:
    own = ("embedding", "cls", "block_0", "norm", "head")
    parent = trained(MU2NET, "a", own=own, hparams={"mu": before})
    child = breeder(agent_of("mu2net", searched=("mu",)), tiny_view(parent), parent)

    def run(rng: Random) -> tuple[bool, bool]:
        applied = child(rng).applied
        return "clone:pos" in applied, "clone:block_1" in applied

    values = values_after(Fraction(str(before)))
    assert distribution(run) == {
        (one, two): sum(
            chance * (mu if one else 1 - mu) * (mu if two else 1 - mu) for mu, chance in values.items()
        )
        for one in (True, False)
        for two in (True, False)
    }


def test_mu_is_the_models_own_and_inherited() -> None:
    parent = trained(MU2NET, "a", hparams={"mu": 0.14}, quality=0.5)
    jobs = iterate(WIDE, tiny_view(OTHER, parent))
    assert {job.hparams["mu"] for job in jobs if job.parent == parent.id} == {0.12, 0.14, 0.16}
    assert {job.hparams["mu"] for job in jobs if job.parent == ROOT.id} == {0.18, 0.2, 0.22}
    assert all(job.mu == {} for job in jobs), "a table of probabilities is µ2Net+'s"


def test_every_mutation_is_recorded_with_the_probability_that_drew_it() -> None:
    for job in iterate(WIDE, VIEW):
        others = {chance for name, chance in job.mutations.items() if name != "hp:mu"}
        assert others <= {job.hparams["mu"]}
        assert job.mutations.get("hp:mu", 0.2) == 0.2


def test_without_learning_mu_stays_at_its_default() -> None:
    jobs = iterate(agent_of("mu2net", {"generations": 1, "children": 60, "learn_mu": False}), VIEW)
    assert {job.hparams["mu"] for job in jobs} == {0.2}
    assert {chance for job in jobs for chance in job.mutations.values()} == {0.2}


def test_clones_carry_their_momentum() -> None:
    momenta = {c.id: c.momentum for model in VIEW.published() for c in model.components}
    carried = set()
    for job in iterate(agent_of("mu2net", {"generations": 1, "children": 100}), VIEW):
        clones = [where for _, where in job.slots if isinstance(where, Clone)]
        assert all(clone.momentum == momenta[clone.component] for clone in clones)
        carried |= {clone.momentum for clone in clones}
    assert carried == {*momenta.values()} - {c.momentum for c in OTHER.components if c.slot == "head"}


@pytest.mark.parametrize(
    ("own", "best_first", "counts", "others"),
    [
        ([0.5], [0], [0], [0, 0]),
        ([0.5], [0], [1], [1, 2]),
        ([0.5, 0.7], [1, 0], [2, 1], [1, 0]),
        ([0.6, 0.6], [1, 0], [1, 2], [3, 1]),
        ([], [], [], [2, 1]),
    ],
)
def test_parents_are_sampled_as_in_algorithm_1_without_a_seed_phase(
    own: list[float], best_first: list[int], counts: list[int], others: list[int]
) -> None:
    """000, Algorithm 1, lines 6 to 16; of equal scores the newer model is tried first."""
    models = [trained(MU2NET, "a", parent=OTHER, child=child) for child in range(len(own))]
    population = members(*zip(models, own, strict=True))
    state = replace(begin(MU2NET, NEW), population=population)
    published = NEW.published()
    selections = {m.id: n for m, n in zip((*models, *published), (*counts, *others), strict=True)}
    by_score = [models[index] for index in best_first]

    def run(rng: Random) -> ModelId:
        return MU2NET.parent(turn_of(state, NEW, rng, number=0, selections=selections)).id

    expected: dict[ModelId, Fraction] = {}
    for order in permutations(published):
        for model, chance in half_lives([*by_score, *order], [*models, *published], selections).items():
            expected[model] = expected.get(model, Fraction(0)) + chance / 2
    assert distribution(run) == expected


def verdict_of(agent: AbstractGenerational, job: TrainJob, quality: float) -> bool:
    state, done = begin(agent, VIEW), train(job)
    assert isinstance(done.outcome, TrainResult)
    outcome = replace(done.outcome, quality=quality)
    return agent.judge(state, replace(done, outcome=outcome), VIEW).model is not None


def test_a_child_is_accepted_from_its_parents_score_on() -> None:
    agent = agent_of("mu2net", {"generations": 1, "children": 40}, score=ScoreSpec(scale=0.9))
    jobs = [job for job in iterate(agent, VIEW) if job.parent == MINE.id]
    target = score_of(MINE, VIEW, agent.equipment.score)
    assert jobs
    for job in jobs:
        assert not job.strict
        assert verdict_of(agent, job, target / job.factor)
        assert not verdict_of(agent, job, target / job.factor * (1 - 1e-9))


def test_the_newest_of_the_best_is_kept_at_the_end() -> None:
    models = [trained(MU2NET, "a", child=child) for child in range(4)]
    population = members(*zip(models, (0.3, 0.9, 0.9, 0.8), strict=True))
    proposal = MU2NET.conclude(replace(begin(MU2NET, NEW), population=population), NEW)
    assert (proposal.best, proposal.score) == (models[2].id, 0.9)


def test_the_score_has_no_compute_factor() -> None:
    score = agent_of("mu2net", score=ScoreSpec(scale=0.5)).equipment.score
    size = root_cost(TINY.member).accounted_params
    assert not score.count_roots
    for flops in (0, 10**12):
        assert score.score(0.8, Cost(accounted_params=size, flops=flops)) == pytest.approx(0.4)


def test_an_iteration_is_four_generations_of_eight_children() -> None:
    assert MU2NET.total_children() == len(iterate(MU2NET, NEW)) == 32
