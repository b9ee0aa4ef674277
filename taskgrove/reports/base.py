"""What a chart is: a picture of the papers, and the numbers behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import ClassVar, Final, final

from matplotlib.figure import Figure

from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.drawing.figures import png, svg

STILL_FORMATS: Final = ("svg", "png")


class Scope(Enum):
    """What a chart can be drawn of."""

    SYSTEM = "one system"
    RUNS = "runs side by side"
    BOTH = "one system, or runs side by side"


class AbstractChart(ABC):
    """A picture that a report shows, in one or several file formats.

    A chart only reads, draws the same picture from the same runs, and draws one that says so where there is
    nothing to see yet. Pictures of a system with 124 tasks take less than ten seconds.
    """

    name: ClassVar[str]
    """Registered name, and the stem of its files."""
    title: ClassVar[str]
    """Heading of its section."""
    summary: ClassVar[str]
    """One line for `taskgrove list charts`, with the figure of the paper that it draws."""
    caption: ClassVar[str]
    """How to read it, in Markdown."""
    scope: ClassVar[Scope] = Scope.SYSTEM
    """Of one system it is given exactly one run."""
    formats: ClassVar[tuple[str, ...]] = STILL_FORMATS
    """Suffixes of the files that it can be drawn as, the best one for a page first."""

    def applies(self, runs: Sequence[Run]) -> bool:
        """Whether the section belongs in a report; a chart that is asked for by name is always drawn."""
        return True

    @abstractmethod
    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        """The numbers behind the picture."""

    @abstractmethod
    def render(self, runs: Sequence[Run], formats: Collection[str]) -> Mapping[str, bytes]:
        """The picture's files by suffix.

        Args:
            runs: One, or in order of variant and seed; none gives a picture that says so.
            formats: Of `formats`, those that are wanted.
        """


class AbstractStill(AbstractChart):
    """A chart that is one Matplotlib figure."""

    @abstractmethod
    def draw(self, runs: Sequence[Run]) -> Figure:
        """The figure; arguments as in `render`."""

    @final
    def render(self, runs: Sequence[Run], formats: Collection[str]) -> Mapping[str, bytes]:
        writers: dict[str, Callable[[Figure], bytes]] = {"svg": svg, "png": png}
        figure = self.draw(runs)
        return {name: writers[name](figure) for name in self.formats if name in formats}
