"""Accounted parameters by hand on a system of three tasks (µ2Net+, Eq. 2)."""

from __future__ import annotations

import pytest

from taskgrove.domain.ids import ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.records import Component, Model
from taskgrove.domain.view import SystemView
from taskgrove.scoring.accounting import accounted, accounted_params, share

SIZES = {"x": 12, "y": 60, "z": 100, "own_a": 7, "own_b": 8, "own_c": 9}
A, B, C = (TaskName(name) for name in "abc")


def model(name: str, task: TaskName | None, *components: str) -> Model:
    parts = tuple(
        Component(slot=SlotName(f"slot_{i}"), kind="any", id=ComponentId(c), num_params=SIZES[c])
        for i, c in enumerate(components)
    )
    return Model(id=ModelId(name), member="m", num_classes=2, components=parts, hparams={}, task=task)


ROOT = model("root", None, "x", "y")
OF_A = model("of a", A, "x", "y", "own_a")
OF_B = model("of b", B, "x", "z", "own_b")
OF_C = model("of c", C, "x", "z", "z", "own_c")
"""Uses z in two slots."""
BESTS = (OF_A, OF_B, OF_C)
VIEW = SystemView(
    models={m.id: m for m in (ROOT, *BESTS)},
    roots=(ROOT.id,),
    bests={A: OF_A.id, B: OF_B.id, C: OF_C.id},
)


@pytest.mark.parametrize(
    ("of", "with_roots", "without"),
    [
        (ROOT, 12 / 4 + 60 / 2, 0.0),
        (OF_A, 12 / 4 + 60 / 2 + 7, 12 / 3 + 60 + 7),
        (OF_B, 12 / 4 + 100 / 2 + 8, 12 / 3 + 100 / 2 + 8),
        (OF_C, 12 / 4 + 100 / 2 + 9, 12 / 3 + 100 / 2 + 9),
    ],
    ids=["root", "a", "b", "c"],
)
def test_equation_2_by_hand(of: Model, with_roots: float, without: float) -> None:
    assert accounted_params(of, VIEW, count_roots=True) == with_roots
    assert accounted_params(of, VIEW, count_roots=False) == without


def test_what_is_published_adds_up_to_the_distinct_parameters() -> None:
    with_roots = sum(accounted_params(m, VIEW, count_roots=True) for m in (ROOT, *BESTS))
    assert with_roots == sum(SIZES.values())
    assert sum(accounted_params(m, VIEW, count_roots=False) for m in BESTS) == sum(SIZES.values())


def test_a_candidate_does_not_share_with_the_model_it_would_replace() -> None:
    candidate = model("candidate", A, "x", "y", "own_a", "own_b")
    assert accounted_params(candidate, VIEW, count_roots=False) == 12 / 3 + 60 + 7 + 8 / 2


def test_a_new_tasks_model_shares_with_all_who_are_there() -> None:
    new = model("new", TaskName("new"), "x", "z")
    assert accounted_params(new, VIEW, count_roots=True) == pytest.approx(12 / 5 + 100 / 3, rel=1e-15)
    assert accounted_params(new, VIEW, count_roots=False) == pytest.approx(12 / 4 + 100 / 3, rel=1e-15)


def test_components_still_to_be_trained_count_in_full_each() -> None:
    used = [(None, 5), (ComponentId("z"), 100), (None, 5), (ComponentId("z"), 100)]
    assert accounted(used, A, VIEW, count_roots=True) == pytest.approx(5 + 5 + 100 / 3, rel=1e-15)


def test_the_order_of_slots_does_not_matter() -> None:
    used = [(ComponentId(c), n) for c, n in SIZES.items()] + [(None, 10**9), (None, 1)]
    forth = accounted(used, TaskName("new"), VIEW, count_roots=True)
    assert forth == accounted(used[::-1], TaskName("new"), VIEW, count_roots=True)


def test_a_share_is_one_over_the_number_of_users() -> None:
    x = ComponentId("x")
    assert share(x, A, VIEW, count_roots=True) == 1 / 4
    assert share(x, A, VIEW, count_roots=False) == 1 / 3
    assert share(x, TaskName("new"), VIEW, count_roots=False) == 1 / 4
    assert share(ComponentId("unused"), A, VIEW, count_roots=True) == 1.0
