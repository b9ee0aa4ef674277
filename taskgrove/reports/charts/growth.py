"""The growing system as an animation of its multitask graph (000, Table 3; muNet, §3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, final

from PIL import Image

from taskgrove.reports.analyses.growth import Moment, moments, spread
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.base import AbstractChart
from taskgrove.reports.drawing.animation import gif
from taskgrove.reports.drawing.colors import task_colors
from taskgrove.reports.drawing.graph import multitask_graphs
from taskgrove.reports.drawing.raster import canvas_of, draw_frame, palette_of
from taskgrove.reports.quantities import percent

_MOST_FRAMES, _LEAST_FRAMES = 60, 2
_MOST_BYTES = 5_000_000
_TYPICAL = 0.8
"""Size of a frame in sizes of the last one, which holds the most."""
_WHOLE_MS, _FRAME_MS = 24_000, (120, 800)
"""How long it takes, if no frame is shown for less or longer than these."""
_NAMED = 2
"""Tasks that a title names."""


def draw_growth(run: Run) -> bytes:
    """The multitask graph after each change of a published model, as a GIF of less than 5 MB.

    Nodes do not move. There are at most 60 frames, fewer where these are large; the lines of tasks whose
    model has changed since the frame before are drawn in full, all others faintly.

    Args:
        run: With its history; without one there is one frame.
    """
    alone = Moment(view=run.view, changed=())
    size = _TYPICAL * len(gif(_frames([alone], run), _FRAME_MS[1]))
    most = min(int(_MOST_BYTES / size), _MOST_FRAMES)
    changes = moments(run.history, run.view)
    while True:
        found = spread(changes, max(most, _LEAST_FRAMES))
        file = gif(_frames(found, run), _frame_ms(len(found)))
        if len(file) <= _MOST_BYTES or most <= _LEAST_FRAMES:
            return file
        most = most * 3 // 4


def _frames(found: Sequence[Moment], run: Run) -> list[Image.Image]:
    graphs = multitask_graphs([moment.view for moment in found] or [run.view])
    canvas = canvas_of(graphs)
    palette = palette_of([*task_colors(run.view.tasks).values()])
    if not found:
        return [draw_frame(graphs[0], canvas, "No task has a model yet.", (), palette)]
    return [
        draw_frame(graph, canvas, _title(moment), moment.changed, palette)
        for graph, moment in zip(graphs, found, strict=True)
    ]


def _title(moment: Moment) -> str:
    view, named, more = moment.view, moment.changed[:_NAMED], len(moment.changed) - _NAMED
    number = len(view.bests)
    said = f"commit {view.number:,}: {number} task{'' if number == 1 else 's'} with a model"
    news = ", ".join(named) + (f" and {more} more" if more > 0 else "")
    return (
        f"{said}, mean validation accuracy {percent(moment.mean_quality)} %\n"
        f"{f'new model of {news}' if named else 'no new model'}"
    )


def _frame_ms(num_frames: int) -> int:
    """In steps of 10 ms, as GIF has it."""
    return min(max(_WHOLE_MS // max(num_frames, 1) // 10 * 10, _FRAME_MS[0]), _FRAME_MS[1])


@final
class GrowthChart(AbstractChart):
    """The system as it grows (000, Table 3)."""

    name: ClassVar[str] = "growth"
    title: ClassVar[str] = "The system growing"
    summary: ClassVar[str] = "animation of the multitask graph, commit by commit (000, Table 3)"
    caption: ClassVar[str] = (
        "The multitask graph after commits that published a model: all of them, or up to 60 spread evenly. "
        "Lines in full colour belong to the tasks whose model is new, faint ones to all others; nodes stay "
        "where they are. Heads show the validation accuracy in percent where there is room."
    )
    formats: ClassVar[tuple[str, ...]] = ("gif",)

    def render(self, runs: Sequence[Run], formats: Collection[str]) -> Mapping[str, bytes]:
        return {"gif": draw_growth(runs[0])} if "gif" in formats else {}

    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        found = moments(runs[0].history, runs[0].view)
        return TidyTable(
            headings=("commit", "tasks", "mean_validation_accuracy", "changed"),
            rows=tuple(
                (each.view.number, len(each.view.bests), each.mean_quality, " ".join(each.changed))
                for each in found
            ),
        )
