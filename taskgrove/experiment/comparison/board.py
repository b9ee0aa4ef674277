"""What is known of the runs of a comparison: on disk after every change, and told to who watches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from taskgrove.experiment.comparison.trials import Failure, Step, Trial, drop_weights
from taskgrove.reports.analyses.comparison import Comparison
from taskgrove.reports.analyses.outcome import Outcome
from taskgrove.reports.pages.compare import write_comparison


class Stage(StrEnum):
    """What has just happened to a run."""

    BEGUN = "begun"
    """It was begun or taken up again."""
    STEP = "step"
    """It went on."""
    FINISHED = "finished"
    """Its summary was written, now or by an earlier call."""
    FAILED = "failed"
    """It could not go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something an observer may show.

    Attributes:
        stage: What has happened.
        run: To which run, as people call it.
        ended, wanted: Number of runs, failed ones included.
        step: How far it is, at `STEP`.
        outcome: What it gave, at `FINISHED`.
        failure: Why it stopped, at `FAILED`.
    """

    stage: Stage
    run: str
    ended: int
    wanted: int
    step: Step | None = None
    outcome: Outcome | None = None
    failure: Failure | None = None


class Board:
    """All runs of a comparison.

    Args:
        folder: Where the page, the picture and the numbers are renewed after every run.
        comparison: Without outcomes.
        observe: Told of everything.
        wanted: Runs that will have ended at the end, those of earlier calls included.
    """

    def __init__(
        self, folder: Path, comparison: Comparison, observe: Callable[[News], Any], wanted: int
    ) -> None:
        self.comparison = comparison
        self.failures: list[Failure] = []
        self._folder = folder
        self._observe = observe
        self._wanted = wanted

    def known(self, finished: Sequence[tuple[Trial, Outcome]]) -> None:
        """Take in the runs that earlier calls have finished."""
        for trial, _ in finished:
            if trial.drop_weights:
                drop_weights(trial)
        self._renew(tuple(outcome for _, outcome in finished))
        for trial, outcome in finished:
            self._tell(Stage.FINISHED, trial, outcome=outcome)

    def begun(self, trial: Trial) -> None:
        """A run begins or is taken up."""
        self._tell(Stage.BEGUN, trial)

    def step(self, trial: Trial, step: Step) -> None:
        """A run goes on."""
        self._tell(Stage.STEP, trial, step=step)

    def ended(self, trial: Trial, end: Outcome | Failure) -> None:
        """A run is over."""
        if isinstance(end, Outcome):
            self._renew((*self.comparison.outcomes, end))
            self._tell(Stage.FINISHED, trial, outcome=end)
        else:
            self.failures.append(end)
            failures = (*self.comparison.failures, (trial.label, end.text))
            self.comparison = replace(self.comparison, failures=failures)
            self._renew(self.comparison.outcomes)
            self._tell(Stage.FAILED, trial, failure=end)

    def _renew(self, outcomes: tuple[Outcome, ...]) -> None:
        self.comparison = replace(self.comparison, outcomes=outcomes)
        write_comparison(self._folder, self.comparison)

    def _tell(
        self,
        stage: Stage,
        trial: Trial,
        *,
        step: Step | None = None,
        outcome: Outcome | None = None,
        failure: Failure | None = None,
    ) -> None:
        news = News(
            stage=stage,
            run=trial.label,
            ended=len(self.comparison.outcomes) + len(self.failures),
            wanted=self._wanted,
            step=step,
            outcome=outcome,
            failure=failure,
        )
        self._observe(news)
