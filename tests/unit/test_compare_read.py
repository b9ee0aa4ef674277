"""The folder of a comparison read back: its numbers and its systems, with and without weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest
from typer.testing import CliRunner

import taskgrove
from taskgrove.cli.main import app
from taskgrove.domain.errors import BadValueError, StoreCorruptError, StoreFormatError, StorePathError
from taskgrove.experiment.comparison.compare import Compared
from taskgrove.experiment.comparison.read import is_comparison, read_comparison, runs_of
from taskgrove.experiment.comparison.settings import settings_of
from taskgrove.experiment.comparison.variants import read_variants
from taskgrove.experiment.segments import read_segments
from taskgrove.experiment.spec import ExperimentSpec, ScoreSpec, canonical
from taskgrove.reports.analyses.comparison import as_json, gathered
from taskgrove.reports.analyses.outcome import Outcome
from tests.unit.small_experiments import SEGMENTED, VARIED, written


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Compared]:
    """Two variants, two seeds, without weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("taskgrove.reports.pages.compare.draw_comparison", lambda _: None)
        patch.setattr("taskgrove.reports.pages.compare.png", lambda *_, **__: b"picture")
        folder = tmp_path_factory.mktemp("compared")
        variants = read_variants(written(tmp_path_factory.mktemp("data"), VARIED))
        compared = taskgrove.compare(variants, folder, seeds=(1, 0), title="small", drop_weights=True)
    return folder, compared


def without_conditions(outcome: Outcome) -> Outcome:
    """As a system alone tells it."""
    return replace(outcome, identity="", conditions="", cost=replace(outcome.cost, wall_s=None))


def rewritten(folder: Path, into: Path, numbers: Mapping[str, Any]) -> Path:
    """A copy with other numbers."""
    copytree(folder, into)
    (into / "compare.json").write_text(json.dumps(numbers), encoding="utf-8")
    return into


def test_the_numbers_are_read_as_they_were_written(whole: tuple[Path, Compared]) -> None:
    folder, compared = whole
    assert is_comparison(folder)
    found = read_comparison(folder)
    assert as_json(found) == as_json(compared.comparison)
    assert found.outcomes == compared.comparison.outcomes
    assert found.settings["muNet (s = 0.3)"]["score.scale"] == 0.3


def test_every_run_is_read_in_order_of_variant_and_seed_without_its_weights(
    whole: tuple[Path, Compared],
) -> None:
    folder, compared = whole
    told: list[tuple[int, int]] = []
    runs = runs_of(folder, compared.comparison, lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    labels = [(name, seed) for name in ("µ2Net+", "muNet (s = 0.3)") for seed in (0, 1)]
    assert [(run.variant, run.seed) for run in runs] == labels
    expected = [without_conditions(o) for name, _ in labels[::2] for o in compared.comparison.of(name)]
    assert list(gathered(runs).outcomes) == expected
    assert len(runs[0].history) == runs[0].view.number + 1
    assert runs[0].settings["agent.options.children"] == 2
    assert runs[0].usual


def test_runs_that_have_not_finished_are_left_out(whole: tuple[Path, Compared]) -> None:
    folder, compared = whole
    partial = replace(compared.comparison, outcomes=compared.comparison.outcomes[:1])
    assert [(run.variant, run.seed) for run in runs_of(folder, partial)] == [("µ2Net+", 1)]


def test_numbers_of_older_versions_can_be_read(whole: tuple[Path, Compared], tmp_path: Path) -> None:
    numbers = as_json(whole[1].comparison)
    text = json.loads(json.dumps(numbers))
    for variant in text["variants"]:
        del variant["settings"], variant["max_test_accuracy"], variant["device_s"]
    for run in text["runs"]:
        del run["cost"]["device_s"]
    found = read_comparison(rewritten(whole[0], tmp_path / "old", text))
    assert found.settings == {}
    assert [outcome.cost.device_s for outcome in found.outcomes] == [None] * 4


def test_what_is_no_comparison_is_refused(whole: tuple[Path, Compared], tmp_path: Path) -> None:
    assert not is_comparison(tmp_path)
    with pytest.raises(BadValueError, match=r"holds no comparison: it has no compare\.json"):
        read_comparison(tmp_path)
    with pytest.raises(StoreCorruptError, match="does not hold the numbers of a comparison"):
        read_comparison(rewritten(whole[0], tmp_path / "other", {"title": "t"}))


def test_a_system_that_is_gone_or_not_readable_is_named(whole: tuple[Path, Compared], tmp_path: Path) -> None:
    folder, comparison = tmp_path / "moved", whole[1].comparison
    copytree(whole[0], folder)
    header = folder / "µ2net+" / "seed1" / "taskgrove.json"
    newer = {**json.loads(header.read_bytes()), "version": 99}
    header.write_text(json.dumps(newer), encoding="utf-8")
    with pytest.raises(StoreFormatError, match=r"The run 'µ2Net\+', seed 1, in .*version 99"):
        runs_of(folder, comparison)
    rmtree(folder / "µ2net+" / "seed0")
    with pytest.raises(StorePathError, match=r"'µ2Net\+', seed 0, is finished, but its system is gone"):
        runs_of(folder, comparison)


def test_settings_name_what_decides_a_result_with_the_defaults_of_the_method() -> None:
    spec = ExperimentSpec(name="e", seed=7, device="cpu", score=ScoreSpec(scale=0.3))
    found = settings_of([canonical(spec)])
    assert found["score.scale"] == 0.3
    assert found["agent.options.children"] == 8
    assert found == settings_of([canonical(replace(spec, name="f", seed=8, device="cuda", workers=3))])
    older = json.loads(canonical(spec))
    del older["limits"], older["train"]["hopeless"]
    assert settings_of([json.dumps(older)]) == found


def test_settings_of_segments_are_one_where_they_agree(tmp_path: Path) -> None:
    specs = [canonical(spec) for spec in read_segments(written(tmp_path, SEGMENTED))]
    found = settings_of(specs)
    assert found["train.batch_size"] == 8
    assert found["score.scale"] == "[1.0, 0.9, 1.0]"


@pytest.mark.usefixtures("no_pictures")
def test_a_comparison_has_a_report(whole: tuple[Path, Compared], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(whole[0]), str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert result.stdout.replace("\n", "") == str(tmp_path / "index.html")
    page = (tmp_path / "report.md").read_text()
    assert page.startswith("# small\n\n2 variants, seeds 1, 0 (search and root): 4 of 4 runs finished.")
    for section in ("Variants", "Quality against size and compute", "Learning curves", "Conditions"):
        assert f"\n## {section}\n" in page
    assert "## Multitask graph" not in page
    runs = (tmp_path / "tables" / "runs.csv").read_text().splitlines()
    assert len(runs) == 1 + sum(len(outcome.tasks) for outcome in whole[1].comparison.outcomes)
    for name in ("variants", "test", "validation", "spent", "pareto", "hparams"):
        assert (tmp_path / "tables" / f"{name}.csv").stat().st_size > 20
    assert json.loads((tmp_path / "tables" / "runs.json").read_text())["title"] == "small"


def test_what_a_comparison_has_not_is_refused(whole: tuple[Path, Compared], tmp_path: Path) -> None:
    one_system = CliRunner().invoke(app, ["report", str(whole[0]), str(tmp_path / "r"), "--only", "graph"])
    assert "There is no chart of runs side by side named 'graph'" in str(one_system.exception)
    at = CliRunner().invoke(app, ["report", str(whole[0]), str(tmp_path / "r"), "--at", "3"])
    assert "a comparison has many" in str(at.exception)
    assert not (tmp_path / "r").exists()
