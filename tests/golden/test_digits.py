"""µ2Net+ learns real handwritten digits from a random root, and a second task builds on the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.places import check_store
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec, RootSpec, ScoreSpec, TaskEntry, TrainSpec

pytest.importorskip("sklearn", reason="scikit-learn carries the digits")

EXPERIMENT = ExperimentSpec(
    name="golden",
    root=RootSpec(member="vit-ti3"),
    agent=AgentSpec(iterations=1, options={"generations": 2, "children": 4}),
    score=ScoreSpec(scale=0.95),
    train=TrainSpec(cycles=4, batch_size=64),
    defaults={"opt.lr": 0.05},
    tasks=(
        TaskEntry(name="digits", source="sklearn:digits"),
        TaskEntry(name="drawn", source="glyphs:digits"),
    ),
)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_digits_are_learned_and_shared(tmp_path: Path) -> None:
    grove = open_or_create(tmp_path / "grove", EXPERIMENT.root)
    view = grove.run(EXPERIMENT)
    digits, drawn = (view.best(task) for task in view.tasks)
    assert digits is not None
    assert drawn is not None
    # Measured 0.97 and 0.88 (one seed); a broken optimiser or data order stays below 0.6.
    assert digits.quality > 0.9
    assert drawn.quality > 0.7
    recorded = grove.evaluations()[digits.id]["test"].accuracy
    assert recorded > 0.8
    assert grove.evaluate("digits").accuracy == recorded
    shared = {c.id for c in digits.components} & {c.id for c in drawn.components}
    root = {c.id for c in view.models[view.roots[0]].components}
    assert shared or root & {c.id for c in drawn.components}
    assert check_store(tmp_path / "grove").ok
