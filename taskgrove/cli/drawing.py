"""What a person sees while a report is drawn: which chart, how many are done, when it will end."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from taskgrove.reports.quantities import duration


class Drawing:
    """A bar on a terminal, gone when all is drawn; elsewhere nothing.

    Args:
        console: Where to show it.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._bar = self._progress.add_task("reading", total=None, text="")
        self._began: float | None = None

    def __enter__(self) -> Drawing:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def told(self, name: str, done: int, of: int) -> None:
        """Show which chart is being drawn."""
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        left = f"ETA {duration((now - self._began) / done * (of - done))}" if done else ""
        self._progress.update(self._bar, description=f"drawing {name}", completed=done, total=of, text=left)
