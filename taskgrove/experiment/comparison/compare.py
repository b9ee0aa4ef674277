"""Comparisons carried out: every variant with every seed, each on a system of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from taskgrove.domain.errors import BadValueError
from taskgrove.experiment.comparison.board import Board, News
from taskgrove.experiment.comparison.pool import at_once, in_turn
from taskgrove.experiment.comparison.settings import settings_of
from taskgrove.experiment.comparison.trials import Failure, Trial, prepared, recorded
from taskgrove.experiment.comparison.variants import Variant, check_names, select
from taskgrove.experiment.segments import refuse_repeated
from taskgrove.experiment.sequence import check_sequence
from taskgrove.experiment.spec import canonical
from taskgrove.experiment.tables import located
from taskgrove.reports.analyses.comparison import Comparison, distinguishing


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a call of `compare` has reached.

    Attributes:
        comparison: All finished runs.
        failures: Of the runs that could not be finished.
    """

    comparison: Comparison
    failures: tuple[Failure, ...]


def compare(
    variants: Sequence[Variant],
    folder: str | Path,
    *,
    seeds: Sequence[int] = (0,),
    only: Sequence[str] = (),
    jobs: int = 1,
    drop_weights: bool = False,
    title: str = "Comparison",
    observe: Callable[[News], Any] = lambda _: None,
) -> Compared:
    """Run every variant with every seed, each on a system of its own below a folder.

    The tables and the picture in the folder are renewed whenever a run ends. The same call continues
    a comparison that was interrupted; finished runs are not repeated.

    Args:
        variants: See `taskgrove.read_variants`.
        folder: Made when missing.
        seeds: Of the search and of a random root alike.
        only: Names of the variants to run; finished runs of the others are still shown. All for none.
        jobs: Runs at the same time; more than one are carried out in processes of their own.
        drop_weights: Delete the blobs of finished systems, which keeps their logs alone.
        title: Of the page.
        observe: Told of everything.

    Raises:
        UserError: A variant cannot be carried out, or was begun there with other settings; nothing has
            been written then.
    """
    _check(variants, seeds, jobs)
    chosen = {variant.name for variant in select(variants, only)}
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # Seed by seed, so that the variants can be compared at any time.
    trials = [_trial(variant, seed, Path(folder), drop_weights) for seed in seeds for variant in variants]
    finished = {trial.store: outcome for trial in trials if (outcome := recorded(trial)) is not None}
    waiting = [
        prepared(trial, threads)
        for trial in trials
        if trial.store not in finished and trial.variant in chosen
    ]
    known = {variant.name: settings_of([canonical(spec) for spec in variant.specs]) for variant in variants}
    comparison = Comparison(
        title=title, variants=tuple(known), seeds=tuple(seeds), settings=distinguishing(known)
    )
    board = Board(Path(folder), comparison, observe, wanted=len(finished) + len(waiting))
    board.known([(trial, finished[trial.store]) for trial in trials if trial.store in finished])
    if jobs == 1:
        in_turn(waiting, board)
    else:
        at_once(waiting, jobs, board)
    return Compared(comparison=board.comparison, failures=tuple(board.failures))


def _check(variants: Sequence[Variant], seeds: Sequence[int], jobs: int) -> None:
    if not variants or not seeds:
        raise BadValueError(
            f"A comparison needs variants and seeds, got {len(variants)} and {len(seeds)}; give at "
            "least one of each."
        )
    if jobs < 1:
        raise BadValueError(f"jobs must be at least 1, got {jobs}.")
    refuse_repeated("seeds", map(str, seeds))
    check_names(variants)
    for variant in variants:
        with located(f"variant {variant.name!r}"):
            check_sequence(variant.specs)


def _trial(variant: Variant, seed: int, folder: Path, drop_weights: bool) -> Trial:
    seeded = (replace(spec, seed=seed, root=replace(spec.root, seed=seed)) for spec in variant.specs)
    return Trial(
        variant=variant.name,
        seed=seed,
        specs=tuple(seeded),
        store=str((folder / variant.slug / f"seed{seed}").absolute()),
        drop_weights=drop_weights,
    )
