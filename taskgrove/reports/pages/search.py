"""A search over grow sequences as files: a page, its picture, and the numbers for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec

from taskgrove.reports.analyses.searched import HEADINGS, Searched, TrialResult, cells
from taskgrove.reports.drawing.figures import png
from taskgrove.reports.pages.files import write_files
from taskgrove.reports.pages.search_picture import Dot, draw_search
from taskgrove.reports.quantities import plural

_NOTES = (
    "Gain is the mean over tasks of (E_φ - E_π) / E_φ, with E_φ the validation error of the task's "
    "independent net and E_π that of its net in the system when all tasks have been learned; positive is "
    "better than independent nets. An E_φ of less than half an image counts as half an image in the divisor. "
    "Δ is the sum over tasks of (E_π - E_φ) / E_φ, as in the paper. Parameters are the distinct ones of "
    "all tasks' models, the root not counted. Remembered jobs were done by another trial, or by this one "
    "before it was interrupted."
)


def write_search(folder: Path, searched: Searched) -> tuple[Path, ...]:
    """Write or renew `search.md`, `trials.json`, `trials.csv`, `front.json` and `front.png`.

    Raises:
        BadValueError: The path, or a parent of it, is a file.
        EnvironmentFailure: The folder cannot be written.
    """
    return write_files(
        folder,
        {
            "search.md": page(searched).encode(),
            "trials.json": as_json(searched.trials),
            "trials.csv": as_csv(searched.trials).encode(),
            "front.json": as_json(searched.front),
            "front.png": png(draw_search(searched.title, _dots(searched)), dpi=110),
        },
    )


def as_json(trials: Sequence[TrialResult]) -> bytes:
    """Everything that is known of some trials."""
    return msgspec.json.format(msgspec.json.encode(trials), indent=1) + b"\n"


def as_csv(trials: Sequence[TrialResult]) -> str:
    """One row per trial and task, numbers unrounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    of_trial = ("number", "gain", "paper_delta", "params", "feasible", "seconds", "computed", "remembered")
    of_task = ("task", "delta", "bound", "grown", "quality", "independent", "num_samples")
    names = list(dict.fromkeys(name for trial in trials for name in trial.point))
    writer.writerow([*of_trial, *(f"point.{name}" for name in names), *of_task])
    for trial in trials:
        values = msgspec.to_builtins(trial)
        start = [*(values[name] for name in of_trial), *(trial.point.get(name, "") for name in names)]
        for task in values["tasks"]:
            writer.writerow([*start, *(_cell(task[name]) for name in of_task)])
    return out.getvalue()


def _cell(value: object) -> object:
    return " ".join(value) if isinstance(value, tuple) else "" if value is None else value


def page(searched: Searched) -> str:
    """The tables with what is needed to judge them, as Markdown."""
    sections = [
        f"# {searched.title}",
        f"{searched.about}: {len(searched.trials)} of {plural(searched.wanted, 'trial')} finished.",
        "## Pareto front",
        table(searched.front),
        "![gain against parameters and against δ](front.png)",
        "## All trials",
        table(searched.trials),
        _NOTES,
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def table(trials: Sequence[TrialResult]) -> str:
    """Trials as a table in Markdown; empty without any."""
    if not trials:
        return ""
    rows = [HEADINGS, ["---"] * len(HEADINGS), *map(cells, trials)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _dots(searched: Searched) -> list[Dot]:
    front = {trial.number for trial in searched.front}
    return [
        Dot(
            label=str(trial.number),
            params=trial.params,
            gain=100 * trial.gain,
            delta=trial.delta,
            front=trial.number in front,
            feasible=trial.feasible,
        )
        for trial in searched.trials
    ]
