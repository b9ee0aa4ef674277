"""What is known of the trials of a search: kept in the study and on disk, and told to who watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, final

from taskgrove.experiment.search.sequences import Point
from taskgrove.experiment.search.study import Proposals
from taskgrove.experiment.search.trial import Step, recorded
from taskgrove.reports.analyses.searched import Searched, TrialResult
from taskgrove.reports.pages.search import write_search


class Stage(StrEnum):
    """What has just happened to a trial."""

    BEGUN = "begun"
    """It was begun or taken up again."""
    STEP = "step"
    """It went on."""
    FINISHED = "finished"
    """Its result was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something an observer may show.

    Attributes:
        stage: What has happened.
        number: Of the trial.
        ended, wanted: Number of trials.
        step: How far it is, at `STEP`.
        result: What it gave, at `FINISHED`.
    """

    stage: Stage
    number: int
    ended: int
    wanted: int
    step: Step | None = None
    result: TrialResult | None = None


@final
class Board:
    """All trials of a search: those to be carried out, and those that have ended.

    Args:
        folder: Of the search.
        proposals: Asked for trials, and told what they gave.
        searched: Without trials.
        observe: Told of everything.
    """

    def __init__(
        self, folder: Path, proposals: Proposals, searched: Searched, observe: Callable[[News], Any]
    ) -> None:
        self._folder = folder
        self._proposals = proposals
        self._observe = observe
        self._asked = proposals.trials()
        told = proposals.told()
        found = {number: recorded(folder, number) for number in self._asked}
        ended = tuple(result for number, result in found.items() if result is not None and number in told)
        known = {result.number for result in ended}
        self._interrupted = [number for number in self._asked if number not in known]
        self.searched = replace(searched, trials=ended, wanted=max(searched.wanted, len(self._asked)))
        write_search(folder, self.searched)

    def next(self) -> tuple[int, Point] | None:
        """A trial to be carried out: first those that were interrupted; None when there are enough."""
        if self._interrupted:
            number = self._interrupted.pop(0)
            return number, self._asked[number]
        if len(self._asked) >= self.searched.wanted:
            return None
        number, point = self._proposals.ask()
        self._asked[number] = point
        return number, point

    def begun(self, number: int) -> None:
        """A trial begins or is taken up."""
        self._tell(Stage.BEGUN, number)

    def step(self, step: Step) -> None:
        """A trial goes on."""
        self._tell(Stage.STEP, step.number, step=step)

    def ended(self, result: TrialResult) -> None:
        """A trial is over."""
        self._proposals.tell(result.number, result.gain, result.params)
        trials = sorted((*self.searched.trials, result), key=lambda trial: trial.number)
        self.searched = replace(self.searched, trials=tuple(trials))
        write_search(self._folder, self.searched)
        self._tell(Stage.FINISHED, result.number, result=result)

    def _tell(
        self, stage: Stage, number: int, *, step: Step | None = None, result: TrialResult | None = None
    ) -> None:
        ended, wanted = len(self.searched.trials), self.searched.wanted
        news = News(stage=stage, number=number, ended=ended, wanted=wanted, step=step, result=result)
        self._observe(news)
