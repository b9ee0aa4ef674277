"""The command that makes a root model of one's own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from taskgrove.cli.output import err, say
from taskgrove.experiment.pretraining.spec import read_recipe
from taskgrove.reports.quantities import duration, percent

if TYPE_CHECKING:
    from taskgrove.trainer.pretrain import Pretraining


def pretrain(
    recipe: Annotated[Path, typer.Argument(help="A TOML file, e.g. recipes/pretrain_glyphs.toml.")],
    out: Annotated[Path, typer.Option(help="Weights file to write, ending in .safetensors.")],
    commit: Annotated[str, typer.Option(help="Of the code, for the provenance; free text.")] = "",
) -> None:
    """Train a root model jointly on many tasks; the same command continues an interrupted run."""
    # Here, so that the other commands do not wait for torch.
    from taskgrove.experiment.pretraining.pretrain import pretrain as run_pretraining

    spec = read_recipe(recipe)
    text = recipe.read_text(encoding="utf-8")
    with PretrainDisplay(err) as display:
        run_pretraining(spec, out, recipe=text, commit=commit, watch=display.watch, read=display.read)
    say(f"{out}: a root of {spec.member}; provenance in {out.with_suffix('.json')}.")


class PretrainDisplay:
    """A live bar on a terminal, one line per validation elsewhere.

    Args:
        console: Where to show it.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._bar = self._progress.add_task("reading tasks", total=None)
        self._first: tuple[int, float] | None = None

    def __enter__(self) -> PretrainDisplay:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def read(self, task: str) -> None:
        """Show that a task is being read."""
        self._progress.update(self._bar, description=f"reading {task}")

    def watch(self, run: Pretraining) -> None:
        """Show a finished step, and the validation that it may have ended with."""
        step, began = self._first = self._first or (run.step, time.monotonic())
        total = run.config.steps
        self._progress.update(self._bar, total=total, completed=run.step, description="training")
        if run.curve and run.curve[-1].step == run.step:
            seconds = (time.monotonic() - began) / max(run.step - step, 1)
            self._progress.console.print(_line(run, seconds), highlight=False, soft_wrap=True)


def _line(run: Pretraining, seconds: float) -> str:
    """The last validation; a step takes so many seconds."""
    point, config = run.curve[-1], run.config
    rate = f"{config.batch_size / seconds:,.0f} images/s, " if seconds else ""
    reached = f"loss {point.loss:.3f}, validation {percent(point.accuracy)} %"
    left = duration(seconds * (config.steps - run.step))
    return f"step {point.step:,}/{config.steps:,}: {reached}, {rate}ETA {left}"
