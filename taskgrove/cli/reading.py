"""What a person sees while many image files are read: how many, and how long it will still take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from taskgrove.tasks.progress import progress_told_to


@contextmanager
def reading_shown(console: Console) -> Iterator[None]:
    """Show a bar for files that are read inside the block, if the console is a terminal."""
    columns = TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("reading", total=None, visible=False)

        def show(what: str, done: int, total: int) -> None:
            progress.update(bar, description=what, completed=done, total=total, visible=done < total)

        with progress_told_to(show):
            yield
