"""Optuna's tree-structured Parzen estimator as a pure function of the trials so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taskgrove.domain.errors import MissingExtraError
from taskgrove.domain.hparams import Choice, Hparams, HparamValue

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of some hyperparameters.

    Attributes:
        hparams: At least those that are searched.
        score: To be maximised; 0 when training failed, so that the sampler learns to avoid it.
    """

    hparams: Hparams
    score: float


def require_optuna() -> None:
    """Refuse to begin without Optuna.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import optuna  # noqa: F401 - whether it can be imported is the question
    except ImportError as error:
        raise MissingExtraError(
            "sampler = 'tpe' needs Optuna, which is not installed; run: pip install 'taskgrove[search]', "
            "or choose sampler = 'random'."
        ) from error


def propose(
    choices: Sequence[Choice], trials: Sequence[Trial], *, seed: int, startup: int
) -> dict[str, HparamValue]:
    """The next hyperparameters to try (Bergstra et al., 2011); equal arguments give equal proposals.

    Of an ordered choice Optuna sees the position among its values, so that neighbours are close.

    Args:
        choices: What is searched.
        trials: All earlier ones, in order.
        seed: Of the sampler, in [0, 2^32).
        startup: Trials before anything is learned from them; until then proposals are uniform.
    """
    import optuna

    sampler = optuna.samplers.TPESampler(n_startup_trials=startup, seed=seed)
    distributions = {choice.name: _distribution(choice) for choice in choices}
    with quietly():
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.add_trials([_frozen(trial, choices) for trial in trials])
        positions = study.ask(distributions).params
    return {choice.name: choice.values[positions[choice.name]] for choice in choices}


def _distribution(choice: Choice) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    last = len(choice.values) - 1
    return IntDistribution(0, last) if choice.ordered else CategoricalDistribution(range(last + 1))


def _frozen(trial: Trial, choices: Sequence[Choice]) -> FrozenTrial:
    from optuna.trial import create_trial

    return create_trial(
        value=trial.score,
        params={c.name: c.values.index(trial.hparams[c.name]) for c in choices},
        distributions={c.name: _distribution(c) for c in choices},
    )


@contextmanager
def quietly() -> Iterator[None]:
    """Without Optuna's messages about studies that live for an instant."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
