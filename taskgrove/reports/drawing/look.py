"""The look that all pictures have in common: colours, greys, grids, and how to say that there is nothing."""

from __future__ import annotations

from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

CATEGORIES: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#e69f00", "#56b4e9")
"""Of Okabe and Ito (2008), told apart by colour-blind people; their yellow is too faint on white."""
MARKERS: Final = "os^Dv"
"""Their number has no divisor in common with that of the categories: 35 pairs before one repeats."""
MAIN: Final = "#30507c"
"""Of the only line or bars of a picture."""
ACCENT: Final = "#d55e00"
"""Of what is fitted or marked on top of it."""
GREY: Final = "#606060"
RULES: Final = "#eeeeee"


def nothing_yet(text: str) -> Figure:
    """A small picture that only says why there is nothing to see."""
    figure = Figure(figsize=(6, 1.5), layout="constrained")
    figure.text(0.5, 0.4, text, ha="center", color=GREY)
    return figure


def with_grid(axes: Axes) -> None:
    """A faint grid behind what is drawn."""
    axes.grid(color=RULES)
    axes.set_axisbelow(True)
