"""The laws of the three evolutionary methods, on whole runs of any seed (method.md, §2 and §3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from taskgrove.agents.population import score_of
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import ModelId
from taskgrove.domain.jobs import Clone, Fresh, TrainJob
from taskgrove.domain.records import BeginIteration, FinishChild, Model
from taskgrove.domain.view import SystemView
from taskgrove.experiment.spaces import SPACES
from taskgrove.experiment.spec import ScoreSpec, TrainSpec
from taskgrove.mutations.mu import MU
from taskgrove.scoring.base import AbstractScore, Cost
from taskgrove.scoring.decay import DecayScore
from taskgrove.scoring.limit import LimitScore
from taskgrove.scoring.quality import QualityScore
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.tasks import augment
from taskgrove.tasks.preprocess import MU2NET_PLUS_PREPROCESS, train_batch
from taskgrove.testing.layouts import TINY, tiny_store, tiny_view
from taskgrove.testing.runs import grow, run_of
from tests.unit.exact_chance import distribution
from tests.unit.method_cases import ROOT, A, B, agent_of, breeder, iterate, trained

METHODS = ("munet", "mu2net", "mu2net_plus")
COSTS = ScoreSpec(scale=0.9)
few = settings(max_examples=3, deadline=None)
seeds = st.integers(0, 2**63 - 1)
each_method = pytest.mark.parametrize("method", METHODS)


@dataclass(frozen=True, kw_only=True)
class Grown:
    """A run that has ended: everything that was asked for, and every model there ever was."""

    store: Store
    score: AbstractScore
    defaults: Hparams
    jobs: tuple[TrainJob, ...]
    models: Mapping[ModelId, Model]

    def inherited(self, job: TrainJob) -> Hparams:
        """The hyperparameters that the job's child started from."""
        parent = self.models[job.parent]
        return {**parent.hparams, **self.defaults} if parent.task is None else parent.hparams


@cache
def grown(method: str, seed: int) -> Grown:
    """Two tasks, two iterations each, two generations of six children."""
    agent = agent_of(method, {"generations": 2, "children": 6}, score=COSTS)
    store, jobs = tiny_store(MemoryBackend()), list[TrainJob]()
    run = replace(run_of(2, seed=seed), agents={A: agent, B: agent})
    grow(store, run, before_training=jobs.append)
    done = [c.operation for c in store.history() if isinstance(c.operation, FinishChild)]
    models = {d.model.id: d.model for d in done if d.model is not None}
    return Grown(
        store=store,
        score=agent.equipment.score,
        defaults=agent.equipment.space.defaults(),
        jobs=tuple(jobs),
        models={ROOT.id: store.view().models[ROOT.id], **models},
    )


@each_method
@pytest.mark.parametrize("member", ["vit-ti3", "vit-l"])
def test_every_neighbour_move_moves_and_stays_in_the_published_space(method: str, member: str) -> None:
    for choice in SPACES[method].of(member):
        for index, value in enumerate(choice.values):
            moves = choice.neighbours(value)
            near = choice.values[max(index - 1, 0) : index + 2] if choice.ordered else choice.values
            assert {*moves} == {*near} - {value}
            assert len(moves) == len({*moves}), "each is equally likely"
            assert all(value in choice.neighbours(move) for move in moves)


@each_method
@few
@given(seed=seeds)
def test_a_child_differs_from_its_parent_by_the_moves_that_were_drawn(method: str, seed: int) -> None:
    run = grown(method, seed)
    space = SPACES[method].of(TINY.member)
    for job in run.jobs:
        before = run.inherited(job)
        moved = {name for name, value in job.hparams.items() if value != before[name]}
        assert moved == {name.removeprefix("hp:") for name in job.mutations if name.startswith("hp:")}
        assert all(job.hparams[name] in space[name].neighbours(before[name]) for name in moved)
        assert all(job.hparams[choice.name] in choice.values for choice in space)


@each_method
@few
@given(seed=seeds)
def test_every_mutation_has_the_probability_that_its_method_says(method: str, seed: int) -> None:
    run = grown(method, seed)
    for job in run.jobs:
        before = float(run.inherited(job)["mu"])
        for name, chance in job.mutations.items():
            own = before if name == "hp:mu" else float(job.hparams["mu"])
            table = job.mu.get(name, MU.default)
            assert chance == {"munet": 0.1, "mu2net": own, "mu2net_plus": table}[method]


@few
@given(seed=seeds)
def test_the_mu_table_is_inherited_and_moves_by_single_steps(seed: int) -> None:
    run = grown("mu2net_plus", seed)
    moved = 0
    for job in run.jobs:
        before = run.models[job.parent].mu
        assert before.keys() <= job.mu.keys()
        for name, value in job.mu.items():
            old = before.get(name, MU.default)
            assert value == old or value in MU.neighbours(old)
            moved += value != old
    assert moved


@few
@given(seed=seeds)
def test_without_a_table_none_is_recorded(seed: int) -> None:
    assert all(job.mu == {} for method in ("munet", "mu2net") for job in grown(method, seed).jobs)


@each_method
@few
@given(seed=seeds)
def test_clones_carry_momentum_unless_optimisers_start_afresh(method: str, seed: int) -> None:
    run = grown(method, seed)
    momenta = {c.id: c.momentum for model in run.models.values() for c in model.components}
    clones = [where for job in run.jobs for _, where in job.slots if isinstance(where, Clone)]
    assert clones
    for clone in clones:
        carried = not clone.resize and method != "munet"
        assert clone.momentum == (momenta[clone.component] if carried else None)


@each_method
@few
@given(seed=seeds)
def test_depth_never_grows_and_adapters_are_munets_alone(method: str, seed: int) -> None:
    run = grown(method, seed)
    for job in run.jobs:
        before = {c.slot for c in run.models[job.parent].components}
        after = {slot for slot, _ in job.slots}
        gained = after - before
        assert gained == {n.removeprefix("insert:") for n in job.mutations if n.startswith("insert:")}
        assert method == "munet" or not gained
        lost = {slot for slot in before - after if slot.startswith("block_")}
        assert len(lost) == ("remove:layer" in job.mutations)


@each_method
@few
@given(seed=seeds)
def test_the_head_is_copied_within_the_task_and_new_for_another(method: str, seed: int) -> None:
    run = grown(method, seed)
    for job in run.jobs:
        parent, head = run.models[job.parent], job.slots[-1][1]
        assert isinstance(head, Clone if parent.task == job.task else Fresh)
        if isinstance(head, Clone):
            assert head.component == parent.components[-1].id


@each_method
@few
@given(seed=seeds)
def test_children_are_accepted_by_the_rule_of_their_method(method: str, seed: int) -> None:
    """Against a parent of the same task: better in muNet, at least as good in the others."""
    run = grown(method, seed)
    began: dict[str, SystemView] = {}
    for commit in run.store.history():
        op = commit.operation
        if isinstance(op, BeginIteration):
            began[op.task] = run.store.view(commit.number)
        if isinstance(op, FinishChild):
            assert op.score is not None
            parent = run.models[op.parent]
            target = score_of(parent, began[op.task], run.score) if parent.task == op.task else -1.0
            assert (op.model is not None) == (op.score > target if method == "munet" else op.score >= target)


@each_method
@few
@given(seed=seeds)
def test_selections_are_kept_with_the_system_and_count_every_child(method: str, seed: int) -> None:
    run = grown(method, seed)
    counts: dict[tuple[str, ModelId], int] = {}
    for job in run.jobs:
        counts[job.task, job.parent] = counts.get((job.task, job.parent), 0) + 1
    view = run.store.view()
    kept = {(task, model): n for task, of in view.selections.items() for model, n in of.items()}
    assert kept == {key: n for key, n in counts.items() if key[1] in view.models}
    assert sum(counts.values()) == len(run.jobs)


SCORES = (
    DecayScore(scale=0.5, params_constant=1e3, flops_constant=1e6),
    DecayScore(scale=0.9, params_constant=1e3, flops_constant=0.0, count_roots=False),
    LimitScore(max_params=1e3, max_flops=1e6),
    QualityScore(),
)
accounted = st.floats(0.0, 1e5)
flops = st.integers(0, 10**8)
qualities = st.floats(0.0, 1.0)


@given(st.sampled_from(SCORES), qualities, accounted, flops, st.integers(0, 2), st.floats(1.0, 100.0))
def test_a_score_is_monotone_in_each_of_its_factors(
    score: AbstractScore, q: float, params: float, f: int, which: int, more: float
) -> None:
    before = score.score(q, Cost(accounted_params=params, flops=f))
    better = score.score(min(q * more, 1.0), Cost(accounted_params=params, flops=f))
    larger = score.score(q, Cost(accounted_params=params * more, flops=f))
    slower = score.score(q, Cost(accounted_params=params, flops=int(f * more)))
    assert (better >= before, larger <= before, slower <= before)[which]


def test_whether_the_root_is_a_sharer_and_which_factors_count_is_as_in_the_papers() -> None:
    scores = {method: agent_of(method, score=COSTS).equipment.score for method in METHODS}
    assert {m: s.count_roots for m, s in scores.items()} == {
        "munet": False,
        "mu2net": False,
        "mu2net_plus": True,
    }
    cheap, slow = Cost(accounted_params=1.0, flops=1), Cost(accounted_params=1.0, flops=10**6)
    assert {m: s.factor(slow) < s.factor(cheap) for m, s in scores.items()} == {
        "munet": False,
        "mu2net": False,
        "mu2net_plus": True,
    }


def test_preprocessing_is_drawn_for_each_child() -> None:
    mine = trained(agent_of("mu2net_plus"), "a")
    jobs = iterate(agent_of("mu2net_plus", {"generations": 1, "children": 60}), tiny_view(mine))
    siblings = [job for job in jobs if job.parent == mine.id]
    drawn = [{n: v for n, v in job.hparams.items() if n.startswith("data.")} for job in siblings]
    assert len({tuple(sorted(values.items())) for values in drawn}) > 3


@pytest.mark.parametrize("scalar", [0.02, 0.2, 0.3])
@pytest.mark.parametrize("entry", [0.02, 0.12, 0.3])
def test_the_scalar_moves_first_then_entries_move_with_it_and_are_used(scalar: float, entry: float) -> None:
    """The exact chances of a child's µ, of an entry of its table, and of that mutation."""
    everything = [str(slot) for slot in TINY.root_slots()]
    agent = agent_of("mu2net_plus", searched=("mu", "data.flip"))
    mu = {"hp:data.flip": entry, "hp:mu": 0.2}
    parent = trained(agent, "a", own=everything, hparams={"mu": scalar}, mu=mu)
    child = breeder(agent, tiny_view(parent), parent)

    def run(rng: Random) -> tuple[Fraction, Fraction, bool]:
        sampled = child(rng)
        entry = Fraction(str(sampled.mu["hp:data.flip"]))
        return Fraction(str(sampled.draft.hparams["mu"])), entry, "hp:data.flip" in sampled.applied

    expected: dict[tuple[Fraction, Fraction, bool], Fraction] = {}
    for rate, chance in scalars(Fraction(str(scalar))).items():
        for value, likely in stepped(Fraction(str(entry)), rate).items():
            expected[rate, value, True] = chance * likely * value
            expected[rate, value, False] = chance * likely * (1 - value)
    assert distribution(run) == expected


def stepped(value: Fraction, rate: Fraction) -> dict[Fraction, Fraction]:
    """A probability of the table after it moved to a neighbour with probability `rate`."""
    step = Fraction(2, 100)
    around = [v for v in (value - step, value + step) if step <= v <= Fraction(3, 10)]
    return {value: 1 - rate, **{v: rate / len(around) for v in around}}


def scalars(before: Fraction) -> dict[Fraction, Fraction]:
    """The scalar after its own mutation, whose entry in the table, 0.2, moves first."""
    found: dict[Fraction, Fraction] = {}
    for probability, chance in stepped(Fraction(2, 10), before).items():
        for after, likely in stepped(before, probability).items():
            found[after] = found.get(after, Fraction(0)) + chance * likely
    return found


def test_random_changes_come_in_the_papers_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cropping resizes at once, so that what follows works on small images."""
    called: list[str] = []

    def spy(name: str, original: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def change(*given: object) -> Tensor:
            called.append(name)
            return original(*given)

        return change

    for name in ("jpeg", "crop_and_resize", "flip", "brightness", "contrast", "saturation", "hue"):
        monkeypatch.setattr(augment, name, spy(name, vars(augment)[name]))
    hparams: Hparams = dict.fromkeys(MU2NET_PLUS_PREPROCESS.defaults(), 0.2) | {"data.resolution": 8}
    train_batch(torch.zeros(2, 8, 8, 3, dtype=torch.uint8), hparams, torch.Generator().manual_seed(0))
    assert called == ["jpeg", "crop_and_resize", "flip", "brightness", "contrast", "saturation", "hue"]


def test_children_are_trained_as_in_the_papers_unless_told_otherwise() -> None:
    train = TrainSpec()
    assert (train.cycles, train.batch_size, train.samples_cap, train.val_cap) == (4, 512, 51_200, 5_120)
