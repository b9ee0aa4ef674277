"""Colours of tasks: far apart for everybody, and kept."""

from __future__ import annotations

import numpy as np
import pytest

from taskgrove.domain.ids import TaskName
from taskgrove.reports.drawing.colors import ROOT_COLOR, ink_on, least_distances, task_colors

NAMES = [TaskName(f"t{i}") for i in range(300)]
COLORS = tuple(task_colors(NAMES).values())
BEFORE = (
    *("#0000d2", "#870000", "#d200ff", "#007800", "#00f000", "#ff1e5a", "#0087ff", "#780096"),
    *("#004b69", "#966996", "#ff87ff", "#87a500", "#ff8700", "#009696", "#782dff", "#d2d24b"),
    *("#96690f", "#00e1b4", "#c30096", "#00c3ff"),
)
"""Colours of an earlier version, chosen for normal vision only."""


def test_colours_are_distinct_and_stay_when_tasks_arrive() -> None:
    names = [TaskName(f"t{i}") for i in range(300)]
    colors = task_colors(names)
    assert len(set(colors.values())) == 300
    assert task_colors(names[:5]) == {name: colors[name] for name in names[:5]}
    assert ROOT_COLOR not in colors.values()


def test_text_is_black_on_light_and_white_on_dark_colours() -> None:
    assert (ink_on("#ffee00"), ink_on("#000080")) == ("#000000", "#ffffff")


def test_the_distance_of_black_and_white_is_one_to_everybody() -> None:
    assert least_distances(["#000000", "#ffffff"]) == pytest.approx((1.0, 1.0, 1.0), abs=1e-3)


def test_red_and_green_of_equal_lightness_look_alike_to_colour_blind_people_only() -> None:
    normal, protanopia, deuteranopia = least_distances(["#a06400", "#648200"])
    assert normal > 2 * max(protanopia, deuteranopia)


@pytest.mark.parametrize(("number", "normal", "blind"), [(8, 0.2, 0.1), (20, 0.12, 0.07), (124, 0.04, 0.02)])
def test_colours_are_told_apart_by_colour_blind_people(number: int, normal: float, blind: float) -> None:
    found = least_distances(COLORS[:number])
    assert found[0] > normal
    assert min(found[1:]) > blind


@pytest.mark.parametrize("number", [8, 20])
def test_the_most_alike_are_farther_apart_than_they_were(number: int) -> None:
    assert min(least_distances(COLORS[:number])) > 2 * min(least_distances(BEFORE[:number]))


def test_colours_are_readable_on_white() -> None:
    for color in COLORS:
        srgb = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
        assert 1.05 / (float(linear @ (0.2126, 0.7152, 0.0722)) + 0.05) > 1.6
