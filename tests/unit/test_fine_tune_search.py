"""Fine-tuning with search: uniform draws, and Optuna's TPE as a pure function of what was told."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from taskgrove.agents.base import Assignment
from taskgrove.agents.generations import GenerationState
from taskgrove.agents.methods.fine_tune_search import FineTuneSearch, FineTuneSearchOptions
from taskgrove.agents.tpe import Trial, propose
from taskgrove.domain.errors import MissingExtraError
from taskgrove.domain.hparams import Choice, Hparams, Space
from taskgrove.domain.ids import BlobId, ComponentId, TaskName
from taskgrove.domain.jobs import Completed, JobFailed, Share, Trained, TrainJob, TrainResult
from taskgrove.scoring.quality import QualityScore
from taskgrove.testing.layouts import SPACE, TINY, tiny_equipment, tiny_view

optuna = pytest.importorskip("optuna", minversion="4", reason="the extra 'search' is not installed")

A = TaskName("a")
VIEW = tiny_view()
WIDE = Space(
    (
        *SPACE.with_values({"data.resolution": (8,)}),
        Choice(name="opt.momentum", values=tuple(i / 10 for i in range(10)), default=0.0),
        Choice(name="opt.warmup", values=tuple(i / 10 for i in range(10)), default=0.9),
    )
)


def agent(trials: int, sampler: str, space: Space = SPACE, budget: int | None = None) -> FineTuneSearch:
    equipment = replace(tiny_equipment(QualityScore(), space), budget=budget)
    return FineTuneSearch(equipment=equipment, options=FineTuneSearchOptions(trials=trials, sampler=sampler))


def begin(who: FineTuneSearch, seed: int = 0, iteration: int = 0) -> GenerationState:
    return who.init(VIEW, Assignment(seed=seed, task=A, iteration=iteration))


def completed(job: TrainJob, quality: float | None) -> Completed:
    """The job's handmade outcome; None for a failure."""
    if quality is None:
        return Completed(job=job, outcome=JobFailed(kind="diverged", text="NaN", seed=job.seed))
    written = {
        slot: Trained(
            component=ComponentId(f"{slot} {job.seed}"),
            momentum=BlobId("m"),
            num_params=TINY.slot(slot, job.hparams, job.num_classes).num_params,
        )
        for slot, origin in job.slots
        if not isinstance(origin, Share)
    }
    result = TrainResult(
        quality=quality,
        best_cycle=1,
        trained=written,
        losses=(1.0,),
        accuracies=(quality,),
        samples=8,
        val_samples=4,
    )
    return Completed(job=job, outcome=result)


def analytic(hparams: Hparams) -> float:
    """Best, 1, at momentum 0.7 and warm-up 0.2; 0.51 at the defaults."""
    momentum, warmup = float(hparams["opt.momentum"]), float(hparams["opt.warmup"])
    return 1.0 - 0.5 * (momentum - 0.7) ** 2 - 0.5 * (warmup - 0.2) ** 2


def search(
    who: FineTuneSearch,
    quality: Callable[[Hparams], float | None] = analytic,
    seed: int = 0,
    iteration: int = 0,
) -> list[TrainJob]:
    """All jobs of an iteration in which `quality` is what training gives."""
    state, jobs = begin(who, seed, iteration), list[TrainJob]()
    while not who.finished(state):
        asked = who.ask(state, VIEW)
        jobs += asked
        state = who.tell(state, [completed(job, quality(job.hparams)) for job in asked], VIEW)
    return jobs


def searched(jobs: Sequence[TrainJob], name: str) -> list[object]:
    return [job.hparams[name] for job in jobs]


@pytest.fixture(params=["random", "tpe"])
def sampler(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_first_trial_has_the_defaults_and_others_have_not(sampler: str) -> None:
    jobs = search(agent(6, sampler, WIDE))
    assert jobs[0].hparams == WIDE.defaults()
    assert not [name for name in jobs[0].mutations if name.startswith("hp:")]
    assert all(job.hparams != WIDE.defaults() for job in jobs[1:])


def test_a_trial_records_the_hyperparameters_that_are_not_the_defaults(sampler: str) -> None:
    for job in search(agent(6, sampler, WIDE)):
        moved = {f"hp:{name}" for name, value in job.hparams.items() if value != WIDE[name].default}
        assert {name for name in job.mutations if name.startswith("hp:")} == moved


def test_values_come_from_the_space_and_what_means_nothing_to_fine_tuning_stays(sampler: str) -> None:
    jobs = search(agent(10, sampler), lambda _: 0.5)
    for choice in SPACE:
        assert set(searched(jobs, choice.name)) <= set(choice.values)
        if choice.name in ("mu", "arch.adapter_dim"):
            assert set(searched(jobs, choice.name)) == {choice.default}
    assert len(set(searched(jobs, "data.resolution"))) > 1


def test_a_hyperparameter_with_one_value_is_not_searched(sampler: str) -> None:
    fixed = SPACE.with_values({choice.name: (choice.default,) for choice in SPACE})
    jobs = search(agent(3, sampler, fixed), lambda _: 0.5)
    assert [job.hparams for job in jobs] == [fixed.defaults()] * 3


def test_random_trials_are_uniform_over_the_values() -> None:
    jobs = search(agent(901, "random"), lambda _: 0.5)[1:]
    for choice in (SPACE["opt.lr"], SPACE["opt.schedule"], SPACE["data.flip"]):
        drawn = searched(jobs, choice.name)
        for value in choice.values:
            assert drawn.count(value) / 900 == pytest.approx(1 / len(choice.values), abs=0.06)


def test_random_trials_are_asked_together_and_tpe_trials_one_after_the_other() -> None:
    together, alone = agent(5, "random", budget=20), agent(5, "tpe", budget=20)
    assert len(together.ask(begin(together), VIEW)) == 5
    assert len(alone.ask(begin(alone), VIEW)) == 1
    assert together.total_children() == alone.total_children() == 5
    assert {job.config.cycles for job in search(alone, lambda _: 0.5)} == {4}


def test_an_iteration_searches_anew(sampler: str) -> None:
    who = agent(5, sampler, WIDE)
    first, second = search(who), search(who, iteration=1)
    assert first[0].hparams == second[0].hparams
    assert [job.hparams for job in first[1:]] != [job.hparams for job in second[1:]]


def test_tpe_is_a_pure_function_of_what_was_told() -> None:
    who = agent(8, "tpe", WIDE)
    assert [repr(job) for job in search(who)] == [repr(job) for job in search(agent(8, "tpe", WIDE))]
    assert [job.hparams for job in search(who)] != [job.hparams for job in search(who, seed=1)]


def test_tpe_asks_the_same_after_an_interruption_at_any_trial() -> None:
    who, whole = agent(6, "tpe", WIDE), search(agent(6, "tpe", WIDE))
    for kept in range(6):
        state = begin(who)
        for job in whole[:kept]:
            state = who.tell(state, [completed(job, analytic(job.hparams))], VIEW)
        assert who.ask(state, VIEW) == (whole[kept],)


def test_tpe_learns_from_its_trials() -> None:
    gains = []
    for seed in range(3):
        qualities = [analytic(job.hparams) for job in search(agent(16, "tpe", WIDE), seed=seed)]
        assert max(qualities) > qualities[0]
        gains.append(sum(qualities[8:]) - sum(qualities[:8]))
    assert all(gain > 0 for gain in gains)


def test_a_failed_trial_teaches_to_keep_away() -> None:
    """Two places look the same but for their failures; what is proposed lies nearer the other one."""
    steps = Choice(name="opt.steps", values=tuple(range(40)), default=0)
    fine = [Trial(hparams={"opt.steps": i}, score=0.5) for i in (28, 30, 32)]
    bad = [Trial(hparams={"opt.steps": i}, score=0.0) for i in (8, 9, 10, 11, 12)]
    proposed = [int(propose([steps], fine + bad, seed=seed, startup=3)["opt.steps"]) for seed in range(20)]
    assert sum(abs(p - 30) < abs(p - 10) for p in proposed) >= 15


def test_a_search_in_which_all_fails_goes_on_to_its_end() -> None:
    assert len({job.hparams["opt.momentum"] for job in search(agent(8, "tpe", WIDE), lambda _: None)}) > 2


def test_neighbours_in_an_ordered_choice_are_close_to_tpe() -> None:
    steps = Choice(name="opt.steps", values=tuple(range(40)), default=0)
    trials = [Trial(hparams={"opt.steps": i}, score=-abs(i - 30.0)) for i in range(0, 40, 3)]
    found = [propose([steps], trials, seed=seed, startup=0)["opt.steps"] for seed in range(20)]
    assert sum(abs(float(value) - 30) < 8 for value in found) > 14
    assert set(found) - set(range(0, 40, 3))


def test_a_boolean_and_a_text_come_back_as_they_are() -> None:
    choices = [SPACE["data.flip"], SPACE["opt.schedule"], SPACE["opt.lr"]]
    trials = [Trial(hparams=SPACE.defaults(), score=0.1)]
    found = [propose(choices, trials, seed=seed, startup=5) for seed in range(12)]
    assert {hparams["data.flip"] for hparams in found} == {False, True}
    assert {type(hparams["data.flip"]) for hparams in found} == {bool}
    assert {hparams["opt.schedule"] for hparams in found} == {"constant", "cosine", "restarts"}


@pytest.fixture
def verbosity() -> Iterator[int]:
    before: int = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.INFO)
    yield logging.INFO
    optuna.logging.set_verbosity(before)


def test_optuna_says_nothing_and_its_verbosity_is_left_alone(
    verbosity: int, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    search(agent(4, "tpe", WIDE), lambda hparams: None if hparams["data.flip"] else 0.5)
    assert capfd.readouterr() == ("", "")
    assert list(recwarn) == []
    assert optuna.logging.get_verbosity() == verbosity


def test_without_optuna_tpe_is_refused_before_the_first_child_and_random_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'taskgrove\[search\]'"):
        agent(4, "tpe").total_children()
    assert agent(4, "random").total_children() == 4
