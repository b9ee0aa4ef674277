"""Optuna's side of a search: what to try next, and a study on disk that its dashboard can show."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, final

from taskgrove.agents.tpe import quietly
from taskgrove.domain.errors import MissingExtraError
from taskgrove.domain.seeds import derive
from taskgrove.experiment.search.sequences import Axis, Point, grid_of
from taskgrove.experiment.search.spec import GP, GRID, NSGA2, TPE, SearchSpec

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

STUDY = "study.log"
CONSTRAINT = "max_params"
MUTATION = 0.2
"""Probability that NSGA-II draws the only parameter anew, instead of between and around two parents."""


def require_optuna(sampler: str) -> None:
    """Refuse to begin without what the sampler needs.

    Raises:
        MissingExtraError: Optuna is not installed, or for `gp` SciPy.
    """
    try:
        import optuna  # noqa: F401 - whether it can be imported is the question

        if sampler == GP:
            import scipy  # type: ignore[import-untyped]  # noqa: F401 - likewise
    except ImportError as error:
        raise MissingExtraError(
            f"A search with sampler = {sampler!r} needs {error.name}, which is not installed; run: "
            "pip install 'taskgrove[search]'."
        ) from error


@final
class Proposals:
    """The trials of a search as an Optuna study, told one by one, that goes on as if it had never stopped.

    What is asked for next depends on the trials so far, the seed and the number of the trial only. Only one
    process at a time may write.

    Args:
        folder: Where the study lies.
        name: Of the study.
        search: What is searched, its population settled.
        axes: Of the space.
    """

    def __init__(self, folder: Path, name: str, search: SearchSpec, axes: Sequence[Axis]) -> None:
        self._search = search
        self._distributions = {axis.name: _distribution(axis) for axis in axes}
        with quietly():
            self._study = _opened(folder / STUDY, name)

    def trials(self) -> dict[int, Point]:
        """All trials that were ever asked for."""
        return {trial.number: _point(trial) for trial in self._study.trials}

    def told(self) -> frozenset[int]:
        """Those whose results are known to the study."""
        return frozenset(trial.number for trial in self._study.trials if trial.state.is_finished())

    def ask(self) -> tuple[int, Point]:
        """The number and the point of another trial."""
        trials = self._study.trials
        with quietly():
            asked = self._grid_point(len(trials)) if self._search.sampler == GRID else self._sampled(trials)
            # In one record, so that a trial is in the study with all its parameters or not at all.
            self._study.add_trial(asked)
        return len(trials), _point(asked)

    def tell(self, number: int, gain: float, num_params: int) -> None:
        """What a trial gave; what has been told is left as it is."""
        from optuna.trial import Trial, TrialState

        found = self._study.trials[number]
        if found.state is not TrialState.RUNNING:
            return
        with quietly():
            trial = Trial(self._study, found._trial_id)
            if self._search.max_params and CONSTRAINT not in trial.constraints:
                trial.set_constraint(CONSTRAINT, float(num_params - self._search.max_params))
            self._study.tell(trial, (gain, float(num_params)))

    def _sampled(self, trials: Sequence[FrozenTrial]) -> FrozenTrial:
        """What the sampler says of a copy in memory."""
        import optuna

        seed = derive(self._search.seed, "search", len(trials)) % 2**32
        sampler = _sampler(self._search, len(self._distributions), seed)
        copy = optuna.create_study(directions=self._study.directions, sampler=sampler)
        copy.add_trials(trials)
        copy.ask(self._distributions)
        return copy.trials[-1]

    def _grid_point(self, number: int) -> FrozenTrial:
        from optuna.trial import TrialState, create_trial

        return create_trial(
            state=TrialState.RUNNING,
            params=dict(grid_of(self._search)[number]),
            distributions=self._distributions,
        )


def _point(trial: FrozenTrial) -> Point:
    """Its parameters, without the last bits of steps: 3 * 0.05 is not 0.15."""
    return {name: round(float(value), 10) for name, value in trial.params.items()}


def _opened(path: Path, name: str) -> Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    _mend(path)
    return optuna.create_study(
        study_name=name,
        storage=JournalStorage(JournalFileBackend(str(path))),
        directions=["maximize", "minimize"],
        sampler=optuna.samplers.RandomSampler(seed=0),  # of no use: copies are asked
        load_if_exists=True,
    )


def _mend(path: Path) -> None:
    """Take away what a killed writer has left: a lock, and a record without its end."""
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    if path.exists():
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with path.open("r+b") as file:
                file.truncate(whole)


def _distribution(axis: Axis) -> BaseDistribution:
    from optuna.distributions import FloatDistribution, IntDistribution

    if axis.whole:
        return IntDistribution(0, int(axis.high))
    return FloatDistribution(0.0, axis.high, step=axis.step)


def _sampler(search: SearchSpec, num_axes: int, seed: int) -> BaseSampler:
    from optuna import samplers
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers.nsgaii import BLXAlphaCrossover

    if search.sampler == NSGA2 and num_axes == 1:
        # By default one parameter is mutated with probability 1, and that is random search.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            crossover = BLXAlphaCrossover()
        return samplers.NSGAIISampler(
            population_size=search.population, crossover=crossover, mutation_prob=MUTATION, seed=seed
        )
    if search.sampler == NSGA2:
        return samplers.NSGAIISampler(population_size=search.population, seed=seed)
    if search.sampler == TPE:
        return samplers.TPESampler(n_startup_trials=search.population, seed=seed, constant_liar=True)
    if search.sampler == GP:
        return samplers.GPSampler(n_startup_trials=search.population, seed=seed)
    return samplers.RandomSampler(seed=seed)
