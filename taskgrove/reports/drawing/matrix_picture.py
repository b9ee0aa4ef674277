"""Draws a matrix of numbers as colours, with names and frames, from a few to hundreds of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from taskgrove.reports.drawing.colors import ink_on

Floats = NDArray[np.float64]

_COLORS = LinearSegmentedColormap.from_list("light to dark", ["#f1f5fa", "#9db6d6", "#30507c"], N=256)
_MARK = "#d95f02"
_MAX_NUMBERS = 14
"""Cells have numbers up to this many rows and columns."""
_MAX_SMALL = 40
"""With more rows or columns, cells are no larger than names need."""
_GREY, _RULES = "#606060", "#e4e4e4"
_FONT = 8
_CHARACTER = _FONT * 0.62 / 72
"""Width of a character in inches, as are the sizes below."""
_CELL, _SMALL_CELL, _TINY_CELL = (0.52, 0.3), (0.24, 0.24), (0.16, 0.16)
_EDGE, _LINE, _SWATCH, _BAR, _ABOVE, _LEAST_HEIGHT, _MOST_BAR = 0.2, 0.16, 0.2, 1.0, 0.4, 0.9, 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Numbers with names.

    Attributes:
        values: (rows, columns) float64; NaN where nothing was compared.
        marked: (row, column) of cells with a frame.
        rows, columns: Names.
        row_colors, column_colors: Of the tasks that they stand for; empty when they stand for none.
        least: Value of the lightest colour; None for the least of all.
        label: Of the colours.
        mark: What a frame means; "" where there are none.
        down, across: What the rows and the columns are.
        nothing: Said when there are no cells.
        digits: After the point, of the numbers in cells.
    """

    values: Floats
    marked: tuple[tuple[int, int], ...] = ()
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    row_colors: tuple[str, ...]
    column_colors: tuple[str, ...] = ()
    least: float | None = None
    label: str
    mark: str = ""
    down: str
    across: str
    nothing: str
    digits: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Style:
    """Sizes in inches: they follow from names and numbers, so that no label meets another.

    Attributes:
        cell: Width and height of a cell.
        upright: Whether columns have upright names.
        left, below: Of the cells, from the edges of the picture.
        numbers: Whether cells have numbers.
    """

    cell: tuple[float, float]
    upright: bool
    left: float
    below: float
    numbers: bool


def _style(matrix: Matrix) -> _Style:
    most = max(matrix.values.shape)
    numbers = most <= _MAX_NUMBERS
    cell = _CELL if numbers else _SMALL_CELL if most <= _MAX_SMALL else _TINY_CELL
    longest = max(map(len, matrix.columns)) * _CHARACTER
    upright = longest > 0.9 * cell[0]
    return _Style(
        cell=cell,
        upright=upright,
        left=_EDGE + max(map(len, (*matrix.rows, matrix.down))) * _CHARACTER + _SWATCH,
        below=_EDGE + (longest if upright else _LINE) + _SWATCH + _LINE,
        numbers=numbers,
    )


def draw_matrix(matrix: Matrix) -> Figure:
    """The cells with their names, a bar of colours at the right and what frames mean above."""
    if not matrix.rows or not matrix.columns:
        figure = Figure(figsize=(6, 1.5))
        figure.text(0.5, 0.4, matrix.nothing, ha="center", color=_GREY)
        return figure
    style = _style(matrix)
    scale, (num_rows, num_columns) = _scale(matrix), matrix.values.shape
    wide, high = num_columns * style.cell[0], num_rows * style.cell[1]
    width = style.left + max(wide + _BAR, len(matrix.across) * _CHARACTER + _EDGE)
    height = style.below + max(high, _LEAST_HEIGHT) + _ABOVE
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((style.left / width, style.below / height, wide / width, high / height))
    axes.imshow(matrix.values, cmap=_COLORS, norm=scale, aspect="auto", interpolation="nearest")
    _draw_cells(axes, matrix, style, scale)
    _draw_names(axes, matrix, style)
    tall = min(max(high, _LEAST_HEIGHT), _MOST_BAR)
    foot = style.below + max(high - tall, 0.0)
    bar = figure.add_axes(((style.left + wide + 0.2) / width, foot / height, 0.13 / width, tall / height))
    colors = figure.colorbar(ScalarMappable(norm=scale, cmap=_COLORS), cax=bar)
    colors.set_label(matrix.label, fontsize=_FONT)
    bar.tick_params(labelsize=_FONT - 1)
    return figure


def _scale(matrix: Matrix) -> Normalize:
    known = matrix.values[~np.isnan(matrix.values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    low = low if matrix.least is None else matrix.least
    return Normalize(low, high if high > low else low + 1.0)


def _draw_cells(axes: Axes, matrix: Matrix, style: _Style, scale: Normalize) -> None:
    num_rows, num_columns = matrix.values.shape
    across, down = np.arange(num_rows + 1) - 0.5, np.arange(num_columns + 1) - 0.5
    axes.hlines(across, -0.5, num_columns - 0.5, colors=_RULES, linewidth=0.6)
    axes.vlines(down, -0.5, num_rows - 0.5, colors=_RULES, linewidth=0.6)
    inset = (0.03 / style.cell[0], 0.03 / style.cell[1])
    for row, column in matrix.marked:
        corner = (column - 0.5 + inset[0], row - 0.5 + inset[1])
        size = (1 - 2 * inset[0], 1 - 2 * inset[1])
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=_MARK, linewidth=1.6, zorder=3))
    if style.numbers:
        for (row, column), value in np.ndenumerate(matrix.values):
            if not np.isnan(value):
                ink = ink_on(to_hex(_COLORS(scale(value))))
                axes.text(
                    column,
                    row,
                    f"{value:.{matrix.digits}f}",
                    ha="center",
                    va="center",
                    fontsize=_FONT,
                    color=ink,
                )


def _draw_names(axes: Axes, matrix: Matrix, style: _Style) -> None:
    """Names beside and below the cells, with the colours of the tasks that they stand for."""
    x, y = 1 / style.cell[0], 1 / style.cell[1]
    bottom = len(matrix.rows) - 0.5
    start, above = -0.5 - _SWATCH * x, -0.5 - 0.1 * y
    for row, name in enumerate(matrix.rows):
        _text(axes, (start, row), name, ha="right", va="center")
    for column, name in enumerate(matrix.columns):
        place = (column, bottom + _SWATCH * y)
        _text(axes, place, name, ha="center", va="top", rotation=90 if style.upright else 0)
    for row, color in enumerate(matrix.row_colors):
        _draw_swatch(axes, (-0.5 - 0.15 * x, row - 0.3), (0.1 * x, 0.6), color)
    for column, color in enumerate(matrix.column_colors):
        _draw_swatch(axes, (column - 0.3, bottom + 0.05 * y), (0.6, 0.1 * y), color)
    lowest = bottom + (style.below - _EDGE + 0.05) * y
    _text(axes, (start, above), matrix.down, ha="right", va="bottom", color=_GREY)
    _text(axes, (-0.5, lowest), matrix.across, ha="left", va="bottom", color=_GREY)
    if matrix.mark:
        _text(axes, (-0.5, above), f"□ {matrix.mark}", ha="left", va="bottom", color=_MARK)
    axes.set_xlim(-0.5, len(matrix.columns) - 0.5)
    axes.set_ylim(bottom, -0.5)
    axes.set_axis_off()


def _text(
    axes: Axes,
    place: tuple[float, float],
    text: str,
    *,
    ha: str,
    va: str,
    color: str = "#000000",
    rotation: float = 0,
) -> None:
    axes.text(*place, text, ha=ha, va=va, color=color, rotation=rotation, fontsize=_FONT, clip_on=False)


def _draw_swatch(axes: Axes, corner: tuple[float, float], size: tuple[float, float], color: str) -> None:
    axes.add_patch(Rectangle(corner, *size, facecolor=color, edgecolor="none", clip_on=False))
