"""Speed-up against the number of agents, beside the ideal and the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from benchmarks.page import Row

_COLORS = ("#1f5fa8", "#c05020")
_STYLES = {"rounds": "-", "free": "--"}


def draw(found: Sequence[Row], paper: Mapping[int, float]) -> Figure:
    """One panel per duration of children.

    Args:
        found: The rows of the table.
        paper: Speed-up by number of agents.
    """
    durations = list(dict.fromkeys(row["a child, s"] for row in found))
    storages = list(dict.fromkeys(row["storage"] for row in found))
    figure = Figure(figsize=(5 * len(durations), 4.2), layout="constrained")
    panels = figure.subplots(1, len(durations), squeeze=False, sharex=True, sharey=True)[0]
    ideal = sorted({float(row["agents"]) for row in found})
    for axes, duration in zip(panels, durations, strict=True):
        axes.plot(ideal, ideal, color="#b0b0b0", linewidth=1, label="ideal")
        for color, storage in zip(_COLORS, storages, strict=False):
            for schedule, style in _STYLES.items():
                here = [
                    row
                    for row in found
                    if (row["a child, s"], row["storage"], row["schedule"]) == (duration, storage, schedule)
                ]
                x, y = [float(row["agents"]) for row in here], [float(row["speed-up"]) for row in here]
                label = f"{storage}, {schedule}"
                axes.plot(x, y, color=color, linestyle=style, marker="o", markersize=4, label=label)
        axes.scatter([*paper], [*paper.values()], marker="*", s=70, color="#202020", zorder=3, label="002")
        axes.set(xscale="log", yscale="log", xlabel="agents", title=f"children of {float(duration):.2g} s")
        axes.grid(color="#eeeeee")
        axes.set_axisbelow(True)
    panels[0].set_ylabel("speed-up over one agent")
    panels[0].legend(frameon=False, fontsize=8)
    return figure
