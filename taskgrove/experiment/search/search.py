"""Searches carried out: trials on branches of a store, in turn or at once, until there are enough."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

from taskgrove.coordinator.base import AbstractExecutor
from taskgrove.coordinator.executors import EXECUTORS
from taskgrove.coordinator.executors.inline import InlineExecutor
from taskgrove.domain.errors import BadValueError
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.search.begun import Begun, settled
from taskgrove.experiment.search.board import Board, News
from taskgrove.experiment.search.lock import held
from taskgrove.experiment.search.sequences import axes_of, named
from taskgrove.experiment.search.spec import GRID, RSA, SearchSpec, check_search
from taskgrove.experiment.search.study import Proposals, require_optuna
from taskgrove.experiment.search.trial import Ground, TrialPlan, run_trial
from taskgrove.experiment.spec import ExperimentSpec
from taskgrove.reports.analyses.searched import Searched, TrialResult
from taskgrove.store.fork import lasting

LOCK = "search.lock"


def search(
    experiment: ExperimentSpec,
    store: str | Path,
    folder: str | Path,
    *,
    settings: SearchSpec | None = None,
    trials: int = 20,
    jobs: int = 1,
    sharing: bool = True,
    executor: AbstractExecutor | None = None,
    observe: Callable[[News], Any] = lambda _: None,
) -> Searched:
    """Try grow sequences, each on a branch of a store, for high gain with few parameters (004, §3).

    The store gets the experiment's root and tasks when it has not got them, and is not grown; `pick` merges
    one of the trials. The same call continues a search that was interrupted; with more trials it goes on.

    Args:
        experiment: Of the method `bind_grow`; see `taskgrove.read_search`.
        store: What trials branch off; made when missing.
        folder: Of the trials, the study, the tables and the picture; made when missing.
        settings: What is searched; δ for all tasks by default.
        trials: How many there are to be, those of earlier calls included.
        jobs: Trials at the same time; more than one are carried out in processes of their own.
        sharing: Whether jobs that several trials have in common are done once.
        executor: Made for this call, and ends with it; by default the experiment's if it runs calls at once.
        observe: Told of everything.

    Raises:
        UserError: The experiment cannot be searched, or the folder holds a search with other settings.
        MissingExtraError: Optuna is not installed.
    """
    wanted, place = settings or SearchSpec(), Path(folder).absolute()
    if trials < 1 or jobs < 1:
        raise BadValueError(f"trials and jobs must be at least 1, got {trials} and {jobs}.")
    require_optuna(wanted.sampler)
    check_search(experiment, wanted)
    with held(place / LOCK, wait=False):
        grove = open_or_create(store, experiment.root)
        grove.prepare(experiment)
        template = named(experiment, grove.view())
        begun = settled(place, template, wanted, grove.store, trials, jobs)
        ground = Ground(
            template=replace(template, train=replace(template.train, threads=begun.threads)),
            store=lasting(str(store)),
            at=begun.at,
            folder=str(place),
            max_params=wanted.max_params,
            sharing=sharing,
        )
        known = len(grove.store.view(begun.at).bests)
        board = Board(
            place, _proposals(ground, wanted, begun, known), _unsearched(template, wanted, trials), observe
        )
        with executor or _executor(experiment, jobs, board) as opened:
            _carry_out(board, ground, opened, jobs)
    return board.searched


def _carry_out(board: Board, ground: Ground, executor: AbstractExecutor, jobs: int) -> None:
    """Keep so many trials at work until there are enough; what a trial raises ends all."""
    running: set[Future[TrialResult]] = set()
    while True:
        while len(running) < jobs and (found := board.next()) is not None:
            plan = TrialPlan(number=found[0], point=found[1], ground=ground)
            board.begun(plan.number)
            told = () if executor.parallel else (board.step,)
            running.add(executor.submit(run_trial, plan, *told))
        if not running:
            return
        ended, running = wait(running, return_when=FIRST_COMPLETED)
        for future in ended:
            board.ended(future.result())


def _executor(experiment: ExperimentSpec, jobs: int, board: Board) -> AbstractExecutor:
    """Where trials are carried out."""
    if jobs == 1:
        return InlineExecutor()
    kind = EXECUTORS[experiment.executor]
    if not kind.parallel:
        kind = EXECUTORS["processes"]
    return kind.open(jobs, board.step, experiment.resources)


def _proposals(ground: Ground, search: SearchSpec, begun: Begun, known: int) -> Proposals:
    axes = axes_of(search, [task.name for task in ground.template.tasks], known)
    search = replace(search, population=begun.population)
    return Proposals(Path(ground.folder), ground.template.name, search, axes)


def _unsearched(template: ExperimentSpec, search: SearchSpec, trials: int) -> Searched:
    """A search of which nothing is known."""
    limit = f", at most {search.max_params:,} parameters" if search.max_params else ""
    binding = "bound to the least conflict" if search.bind == RSA else "bound by searched rank"
    about = (
        f"{search.sampler}, δ {search.delta} in steps of {search.step:g}, {binding}, order of tasks "
        f"{search.order}{limit}, seed {search.seed}"
    )
    wanted = min(trials, search.num_steps + 1) if search.sampler == GRID else trials
    return Searched(title=f"Search: {template.name}", about=about, trials=(), wanted=wanted)
