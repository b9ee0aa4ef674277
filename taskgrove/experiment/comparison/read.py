"""Reads the folder of a comparison back: its numbers, and its systems for charts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from taskgrove.domain.errors import BadValueError, StoreCorruptError, StoreError, StorePathError
from taskgrove.domain.hparams import HparamValue
from taskgrove.experiment.comparison.settings import settings_of
from taskgrove.experiment.comparison.variants import Variant
from taskgrove.experiment.places import open_store
from taskgrove.experiment.searched import searched_values
from taskgrove.experiment.usual import usual_options
from taskgrove.reports.analyses.bindings import METHOD
from taskgrove.reports.analyses.comparison import Comparison
from taskgrove.reports.analyses.outcome import Outcome
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.pages.choice import Choice
from taskgrove.reports.pages.compare import write_runs_report
from taskgrove.reports.pages.report import Told

NUMBERS = "compare.json"


class _Variant(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    settings: dict[str, HparamValue | None] = {}


class _Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of `compare.json`; older ones have no settings."""

    title: str
    seeds: tuple[int, ...]
    variants: tuple[_Variant, ...]
    runs: tuple[Outcome, ...]
    failures: dict[str, str]


def is_comparison(folder: str | Path) -> bool:
    """Whether a comparison was begun in this folder."""
    return (Path(folder) / NUMBERS).is_file()


def read_comparison(folder: str | Path) -> Comparison:
    """The comparison as it stood when a run ended last; its systems are not needed.

    Raises:
        BadValueError: The folder holds no comparison.
        StoreCorruptError: Its numbers cannot be read.
    """
    path = Path(folder) / NUMBERS
    if not is_comparison(folder):
        raise BadValueError(
            f"{folder} holds no comparison: it has no {NUMBERS}. Give the folder that `taskgrove compare` "
            "was told with --out."
        )
    try:
        numbers = msgspec.json.decode(path.read_bytes(), type=_Numbers)
    except msgspec.DecodeError as error:
        raise StoreCorruptError(
            f"{path} does not hold the numbers of a comparison ({error}). Delete it; the same "
            "`taskgrove compare` writes it again."
        ) from error
    return Comparison(
        title=numbers.title,
        variants=tuple(variant.name for variant in numbers.variants),
        seeds=numbers.seeds,
        outcomes=numbers.runs,
        failures=tuple(numbers.failures.items()),
        settings={variant.name: variant.settings for variant in numbers.variants if variant.settings},
    )


def runs_of(
    folder: str | Path,
    comparison: Comparison,
    observe: Callable[[int, int], Any] = lambda *_: None,
) -> tuple[Run, ...]:
    """The systems of all finished runs with their histories, in order of variant and seed.

    Systems without weights are read like others. About a second for a thousand commits.

    Args:
        folder: Of the comparison; may have been moved.
        comparison: Read from it.
        observe: Told how many runs of how many have been read.

    Raises:
        StorePathError: A run's system is gone.
        StoreError: A run's system cannot be read; names it.
    """
    finished = [outcome for variant in comparison.variants for outcome in comparison.of(variant)]
    runs: list[Run] = []
    for outcome in finished:
        runs.append(_run(Path(folder), outcome.variant, outcome.seed))
        observe(len(runs), len(finished))
    return tuple(runs)


def report_comparison(
    source: str | Path,
    folder: Path,
    *,
    only: Iterable[str] = (),
    formats: Iterable[str] = (),
    told: Told | None = None,
) -> tuple[Path, ...]:
    """Write a page with tables and charts of a comparison into a folder; returns the files, the page first.

    Args:
        source: The comparison's folder.
        folder: Made when missing.
        only, formats, told: As in `Grove.report`.

    Raises:
        BadValueError: `source` holds no comparison, or a file is in the way.
        UnknownNameError: No chart of several runs, or no format, has a name that was given.
        StoreError: A run's system cannot be read; names it.
    """
    choice, comparison = Choice.of(only, formats), read_comparison(source)
    runs = runs_of(source, comparison, lambda done, of: told("runs", done, of) if told else None)
    return write_runs_report(folder, comparison, runs, choice, told)


def _run(folder: Path, variant: str, seed: int) -> Run:
    place = folder / Variant(name=variant, specs=()).slug / f"seed{seed}"
    try:
        store = open_store(place)
    except StorePathError as error:
        raise StorePathError(
            f"The run {variant!r}, seed {seed}, is finished, but its system is gone: {error} Put it back, or "
            f"delete {place.name}.json beside it and carry the run out again."
        ) from error
    except StoreError as error:
        raise type(error)(f"The run {variant!r}, seed {seed}, in {place}: {error}") from error
    return Run(
        view=store.state.view,
        history=tuple(store.history()),
        evaluations=store.state.evaluations,
        variant=variant,
        seed=seed,
        usual=usual_options(METHOD),
        valid=searched_values(store.state.view),
        settings=settings_of([start.spec for start in store.state.view.experiments.values()]),
    )
