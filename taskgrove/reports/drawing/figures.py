"""Figures as bytes: the same picture gives the same file, and nothing global is touched for good."""

from __future__ import annotations

from io import BytesIO

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

_MAX_PIXELS = 16_000


def png(figure: Figure, dpi: float = 150.0) -> bytes:
    """The figure as PNG, at a lower resolution when a side would exceed 16,000 pixels."""
    out = BytesIO()
    dpi = min(dpi, _MAX_PIXELS / max(figure.get_size_inches()))
    FigureCanvasAgg(figure).print_figure(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as SVG, with text as text and without a date."""
    out = BytesIO()
    with rc_context({"svg.hashsalt": "taskgrove", "svg.fonttype": "none"}):
        FigureCanvasSVG(figure).print_figure(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()
