"""Law 2: the accounted parameters of all published models are the distinct parameters of the system."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from taskgrove.domain.ids import ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.records import Component, Model
from taskgrove.domain.view import SystemView
from taskgrove.scoring.accounting import accounted_params

pools = st.lists(st.integers(1, 10**9), min_size=1, max_size=12)
"""Numbers of parameters of the components that models are made of."""


def model(name: str, task: TaskName | None, picks: list[int], pool: list[int]) -> Model:
    """Uses the picked components, some of them perhaps in several slots."""
    parts = tuple(
        Component(
            slot=SlotName(f"slot_{i}"),
            kind="any",
            id=ComponentId(f"component {pick % len(pool)}"),
            num_params=pool[pick % len(pool)],
        )
        for i, pick in enumerate(picks)
    )
    return Model(id=ModelId(name), member="m", num_classes=2, components=parts, hparams={}, task=task)


@st.composite
def systems(draw: st.DrawFn) -> SystemView:
    """Up to three roots and six tasks that share components at random, with rejected models besides."""
    pool = draw(pools)
    picks = st.lists(st.integers(0, 11), min_size=1, max_size=8)
    roots = [model(f"root {i}", None, draw(picks), pool) for i in range(draw(st.integers(0, 3)))]
    tasks = [TaskName(f"task {i}") for i in range(draw(st.integers(0, 6)))]
    bests = [model(f"of {task}", task, draw(picks), pool) for task in tasks]
    active = [model(f"child of {task}", task, draw(picks), pool) for task in tasks]
    return SystemView(
        models={m.id: m for m in (*roots, *bests, *active)},
        roots=tuple(m.id for m in roots),
        bests={task: best.id for task, best in zip(tasks, bests, strict=True)},
        populations={task: (child.id,) for task, child in zip(tasks, active, strict=True)},
    )


def of(view: SystemView, *, roots: bool) -> list[Model]:
    chosen = [*view.bests.values(), *(view.roots if roots else ())]
    return [view.models[name] for name in chosen]


def distinct(models: list[Model]) -> int:
    return sum({c.id: c.num_params for m in models for c in m.components}.values())


@given(systems())
def test_accounted_parameters_sum_to_the_distinct_ones(view: SystemView) -> None:
    for roots in (True, False):
        models = of(view, roots=roots)
        total = math.fsum(accounted_params(m, view, count_roots=roots) for m in models)
        assert math.isclose(total, distinct(models), rel_tol=1e-12)


@given(systems())
def test_a_model_accounts_for_some_of_its_own_parameters_and_never_for_more(view: SystemView) -> None:
    for m in of(view, roots=True):
        assert 0.0 < accounted_params(m, view, count_roots=True) <= m.num_params * (1 + 1e-15)


@given(systems())
def test_roots_account_for_nothing_when_they_do_not_count(view: SystemView) -> None:
    roots = [view.models[root] for root in view.roots]
    assert all(accounted_params(root, view, count_roots=False) == 0.0 for root in roots)


@given(systems())
def test_counting_roots_never_makes_a_model_costlier(view: SystemView) -> None:
    for m in of(view, roots=False):
        cheap, dear = (accounted_params(m, view, count_roots=roots) for roots in (True, False))
        assert cheap <= dear
