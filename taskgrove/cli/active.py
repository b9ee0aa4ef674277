"""The tasks that are under way, a line each, for a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

from rich.console import RenderableType
from rich.table import Table

from taskgrove.coordinator.base import Event, Stage
from taskgrove.domain.ids import TaskName
from taskgrove.reports.quantities import MISSING, percent, plural
from taskgrove.trainer.base import Tick

HEADINGS = ("task", "iteration", "child", "cycle", "val %", "best %", "score")


@dataclass(slots=True, kw_only=True)
class _Line:
    """What is known of a task; texts as they are shown."""

    iteration: int
    child: str = MISSING
    cycle: str = MISSING
    accuracy: str = MISSING
    best: str = MISSING
    score: str = MISSING

    def best_so_far(self, event: Event) -> None:
        self.best = percent(event.best)
        self.score = MISSING if event.score is None else f"{event.score:.3f}"


class ActiveTasks:
    """Lines of all tasks whose iteration has begun and not ended; may be told by several threads.

    Args:
        most: Lines to show; of more tasks than that, only the number is told.
    """

    def __init__(self, most: int) -> None:
        self._most = max(1, most)
        self._lines: dict[TaskName, _Line] = {}
        self._lock = Lock()
        self.together = False
        """Whether several tasks have ever been under way at once."""

    def hear(self, event: Event) -> None:
        """Follow a task from the beginning to the end of its iterations."""
        with self._lock:
            if event.stage is Stage.BEGUN:
                self._lines[event.task] = _Line(iteration=event.iteration)
                self.together = self.together or len(self._lines) > 1
            if event.stage is Stage.ENDED:
                self._lines.pop(event.task, None)
            if event.task in self._lines:
                self._lines[event.task].best_so_far(event)

    def cycle(self, tick: Tick) -> None:
        """Show what is being trained."""
        with self._lock:
            line = self._lines.get(tick.task)
            if line is not None:
                line.child = f"{tick.generation}.{tick.child}"
                line.cycle, line.accuracy = f"{tick.cycle}/{tick.cycles}", percent(tick.accuracy)

    def __rich__(self) -> RenderableType:
        """A line per task, in the order in which they began."""
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_header=bool(self._lines))
        for heading in HEADINGS:
            text = heading in ("task", "child")
            table.add_column(heading, no_wrap=True, justify="left" if text else "right")
        with self._lock:
            for task, line in list(self._lines.items())[: self._most]:
                cells = (line.child, line.cycle, line.accuracy, line.best, line.score)
                table.add_row(f"[bold]{task}[/]", str(line.iteration), *cells)
            hidden = len(self._lines) - self._most
        if hidden > 0:
            table.add_row(f"[dim]and {plural(hidden, 'more task')}[/]")
        return table
