"""Full fine-tuning with a search of its hyperparameters: what a user would try before evolution."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from taskgrove.agents.base import Equipment
from taskgrove.agents.effort import Effort
from taskgrove.agents.generations import AbstractGenerational, Turn
from taskgrove.agents.replicas import ADAPTER_DIM, REPLICAS, replica, replicated, root_of
from taskgrove.agents.tpe import Trial, propose, require_optuna
from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.hparams import Choice, HparamValue
from taskgrove.domain.jobs import Completed, TrainResult
from taskgrove.domain.records import Model
from taskgrove.mutations.mu import MU, Sampled

SAMPLERS = ("random", "tpe")

_IDLE = (MU.name, ADAPTER_DIM)
"""Hyperparameters that a search space may have and that mean nothing to fine-tuning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneSearchOptions:
    """Settings of fine-tuning with a search of hyperparameters.

    Attributes:
        trials: Per task iteration; they share the budget equally. The first has the defaults.
        sampler: `random`: each hyperparameter uniform over its values; `tpe`: Optuna's tree-structured
            Parzen estimator, one trial after the other (needs the extra `search`).
    """

    trials: int = REPLICAS
    sampler: str = "random"

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise BadValueError(f"agent.trials must be at least 1, got {self.trials}.")
        if self.sampler not in SAMPLERS:
            raise UnknownNameError.of("sampler", self.sampler, SAMPLERS)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneSearch(AbstractGenerational):
    """Trains copies of the whole root, each with other hyperparameters; nothing is shared.

    Not in the papers. It has the evolutionary methods' search space and budget, so it tells how much
    of their gain over fine-tuning is tuning.
    """

    name = "fine_tune_search"
    summary = "baseline: full fine-tuning with its hyperparameters searched, random or TPE"
    options_type = FineTuneSearchOptions
    score_form = "quality"

    equipment: Equipment
    options: FineTuneSearchOptions = field(default_factory=FineTuneSearchOptions)

    def effort(self) -> Effort:
        together = replicated(self.equipment, self.options.trials)
        if self.options.sampler == "random":
            return together
        require_optuna()
        return Effort(generations=together.children, children=1, cycles=together.cycles)

    def parent(self, turn: Turn) -> Model:
        return root_of(turn)

    def child(self, turn: Turn, parent: Model) -> Sampled:
        trained = [c.slot for c in parent.components]
        return replica(turn, parent, self.equipment, trained=trained, hparams=self._drawn(turn))

    def _drawn(self, turn: Turn) -> dict[str, HparamValue]:
        """The trial's own values, where they are not the defaults."""
        choices = [c for c in self.equipment.space if c.name not in _IDLE and len(c.values) > 1]
        if turn.number == 0 or not choices:
            return {}
        if self.options.sampler == "random":
            return {choice.name: turn.rng.choice(choice.values) for choice in choices}
        return self._learned(choices, turn)

    def _learned(self, choices: list[Choice], turn: Turn) -> dict[str, HparamValue]:
        """A quarter of the trials is uniform before TPE learns; its own default would be all of them."""
        trials = [_trial(done) for done in turn.state.past]
        seed = turn.rng.getrandbits(32)
        return propose(choices, trials, seed=seed, startup=self.options.trials // 4)


def _trial(done: Completed) -> Trial:
    outcome = done.outcome
    score = outcome.quality * done.job.factor if isinstance(outcome, TrainResult) else 0.0
    return Trial(hparams=done.job.hparams, score=score)
