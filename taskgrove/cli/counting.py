"""What a person sees while a store is looked after or a report drawn: how much is done, when it will end."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from taskgrove.reports.quantities import duration, human

_BYTES = " (bytes)"
_EVERY_S = 10.0


class Counting:
    """A bar on a terminal; elsewhere a line every ten seconds. Its `told` is what upkeep and reports tell.

    Args:
        console: Where to show it.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(20),
            TextColumn("{task.fields[text]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._bar = self._progress.add_task("", total=None, text="")
        self._console = console
        self._what = ""
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Counting:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def told(self, what: str, done: int, total: int) -> None:
        """Show what is being done; a total of 0 is not known."""
        now = time.monotonic()
        if what != self._what:
            self._what, self._began = what, now
            self._progress.reset(self._bar)
        plain, text = what.removesuffix(_BYTES), self._text(what, done, total, now)
        self._progress.update(self._bar, description=plain, completed=done, total=total or None, text=text)
        if not self._console.is_terminal and now - self._said >= _EVERY_S:
            self._said = now
            self._console.print(f"{plain}: {text}", highlight=False, markup=False, soft_wrap=True)

    def _text(self, what: str, done: int, total: int, now: float) -> str:
        unit = "B" if what.endswith(_BYTES) else ""
        if not total:
            return human(done, unit)
        left = duration((now - self._began) / done * (total - done)) if done else "…"
        return f"{human(done, unit)} of {human(total, unit)} · ETA {left}"
