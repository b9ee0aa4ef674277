"""The multitask graph in pixels, quickly: frames of an animation, which share size and colours."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from taskgrove.domain.ids import TaskName
from taskgrove.reports.drawing.colors import ROOT_COLOR, ink_on
from taskgrove.reports.drawing.graph import MultitaskGraph, Node, NodeKind, Wire
from taskgrove.reports.drawing.look import GREY

_FINE = 2
"""Pixels are computed finer by this factor, for smooth lines."""
_TITLE, _EDGE = 46, 14
_MOST_WIDTH, _MOST_HEIGHT = 1160.0, 760.0
_UNIT, _ROW = (8.0, 76.0), (20.0, 54.0)
"""Least and largest distances between tasks and between rows."""
_FONT, _LEAST_UNIT_NAMED, _LEAST_UNIT_NUMBERED = 12, 15.0, 30.0
_FAINT = 0.45
"""Of the colour that is left of lines that nobody works on."""
_OUTLINE = "#303030"

Pixels = Image.Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Sizes in pixels; all follow from the largest graph.

    Attributes:
        unit, row: Distances between tasks and between rows.
        width, height: Of a frame.
        below: Room for the names of tasks.
    """

    unit: float
    row: float
    width: int
    height: int
    below: int

    def at(self, x: float, row: float) -> tuple[float, float]:
        """Pixels from the upper left corner of the fine image."""
        bottom = self.height - self.below - _EDGE - self.radius
        return _FINE * (_EDGE + x * self.unit), _FINE * (bottom - row * self.row)

    @property
    def radius(self) -> float:
        """Of a component."""
        return _radius(self.unit)


def canvas_of(graphs: Sequence[MultitaskGraph]) -> Canvas:
    """A canvas that holds each of several graphs."""
    wide = max(1.0, *(graph.width for graph in graphs))
    rows = max(2, *(len(graph.row_names) for graph in graphs)) - 1
    unit = min(max(_MOST_WIDTH / wide, _UNIT[0]), _UNIT[1])
    row = min(max(_MOST_HEIGHT / rows, _ROW[0]), _ROW[1])
    named = unit >= _LEAST_UNIT_NAMED
    names = [node.label for graph in graphs for node in graph.nodes if node.kind is NodeKind.TASK]
    below = max((_length(name, _FONT) for name in names), default=0) + 6 if named else 4
    return Canvas(
        unit=unit,
        row=row,
        width=max(round(wide * unit) + 2 * _EDGE, 640),
        height=round(rows * row + 2 * _EDGE + 2 * _radius(unit)) + below + _TITLE,
        below=below,
    )


def _radius(unit: float) -> float:
    return min(9.0, 0.4 * unit)


def palette_of(colors: Sequence[str]) -> Pixels:
    """An image whose palette has the colours of tasks, full and mixed with white, and greys."""
    tints = min(max((256 - 1) // (len(colors) + 4), 1), 12)
    parts = sorted({_FAINT, *(number / tints for number in range(1, tints))})
    inks = [ROOT_COLOR, _OUTLINE, GREY, "#000000", *dict.fromkeys(colors)]
    mixed = [_mixed(ink, part) for part in (1.0, *parts[::-1]) for ink in inks]
    entries = [*dict.fromkeys([(255, 255, 255), *mixed])][:256]
    palette = Image.new("P", (1, 1))
    palette.putpalette(bytes(chain.from_iterable(entries)))
    return palette


def draw_frame(
    graph: MultitaskGraph, canvas: Canvas, title: str, active: Collection[TaskName], palette: Pixels
) -> Pixels:
    """One frame in the colours of a palette.

    Args:
        graph: At one moment; may be empty.
        canvas: Of all frames.
        title: Above it, of one or two lines.
        active: Tasks whose lines are drawn in full.
        palette: See `palette_of`.
    """
    image = Image.new("RGB", (_FINE * canvas.width, _FINE * canvas.height), "white")
    pen = ImageDraw.Draw(image)
    for wire in sorted(graph.wires, key=lambda wire: wire.task in active):
        _draw_wire(pen, wire, canvas, wire.task in active)
    for node in graph.nodes:
        _DRAWERS[node.kind](pen, node, canvas)
    image = image.resize((canvas.width, canvas.height), Image.Resampling.BOX)
    pen = ImageDraw.Draw(image)
    for line, text in enumerate(title.splitlines()):
        pen.text((_EDGE, 8 + 19 * line), text, fill="#000000" if line == 0 else GREY, font=_font(14))
    for node in graph.nodes:
        _write(image, pen, node, canvas)
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def _draw_wire(pen: ImageDraw.ImageDraw, wire: Wire, canvas: Canvas, active: bool) -> None:
    width = _FINE * (3 if active else 1) if canvas.unit < _LEAST_UNIT_NAMED else _FINE * (4 if active else 2)
    points = [canvas.at(x, row) for x, row in _sampled(wire)]
    pen.line(points, fill=wire.color if active else _mixed(wire.color, _FAINT), width=width, joint="curve")


def _sampled(wire: Wire) -> list[list[float]]:
    """Points on the curves of a wire, from below."""
    found: NDArray[np.float64] = np.einsum("sc,ncd->nsd", _bernstein(), np.array(wire.curves))
    points: list[list[float]] = found.reshape(-1, 2).tolist()
    return points


@cache
def _bernstein() -> NDArray[np.float64]:
    t = np.linspace(0.0, 1.0, 9)[:, None]
    return np.concatenate([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=1)


def _draw_task(pen: ImageDraw.ImageDraw, node: Node, canvas: Canvas) -> None:
    (x, y), r = canvas.at(node.x, node.row), _FINE * canvas.radius
    pen.polygon([(x - r, y + r), (x + r, y + r), (x, y - r)], fill=node.color, outline=_OUTLINE)


def _draw_component(pen: ImageDraw.ImageDraw, node: Node, canvas: Canvas) -> None:
    (x, y), r = canvas.at(node.x, node.row), _FINE * canvas.radius
    pen.ellipse([x - r, y - r, x + r, y + r], fill=node.color, outline=_OUTLINE, width=_FINE)


def _draw_head(pen: ImageDraw.ImageDraw, node: Node, canvas: Canvas) -> None:
    (x, y), half = canvas.at(node.x, node.row), 0.5 * _FINE * min(0.9 * canvas.unit, 34.0)
    high = 0.9 * _FINE * canvas.radius
    pen.rectangle([x - half, y - high, x + half, y + high], fill=node.color, outline=_OUTLINE, width=_FINE)


_DRAWERS = {NodeKind.TASK: _draw_task, NodeKind.COMPONENT: _draw_component, NodeKind.HEAD: _draw_head}


def _write(image: Pixels, pen: ImageDraw.ImageDraw, node: Node, canvas: Canvas) -> None:
    """Names of tasks and accuracies, as far as there is room."""
    x, y = (value / _FINE for value in canvas.at(node.x, node.row))
    if node.kind is NodeKind.HEAD and canvas.unit >= _LEAST_UNIT_NUMBERED:
        pen.text((x, y), node.label, fill=ink_on(node.color), font=_font(11), anchor="mm")
    if node.kind is NodeKind.TASK and canvas.unit >= _LEAST_UNIT_NAMED:
        name = _upright(node.label)
        image.paste(name, (round(x - name.width / 2), round(y + canvas.radius + 4)))


@cache
def _upright(text: str) -> Pixels:
    """A text that is read from below."""
    image = Image.new("RGB", (_length(text, _FONT), _FONT + 4), "white")
    ImageDraw.Draw(image).text((0, 0), text, fill="#000000", font=_font(_FONT))
    return image.rotate(90, expand=True)


def _length(text: str, size: int) -> int:
    return int(_font(size).getlength(text)) + 1


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font of all other pictures, which Matplotlib brings along."""
    return ImageFont.truetype(
        str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size
    )


def _mixed(color: str, part: float) -> tuple[int, int, int]:
    """A colour on white, as if it were transparent."""
    red, green, blue = (round(255 - part * (255 - int(color[i : i + 2], 16))) for i in (1, 3, 5))
    return red, green, blue
