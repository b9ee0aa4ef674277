"""Every benchmark of speed runs on a tiny setting and writes what it found."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

import taskgrove
from benchmarks import bytes as bytes_
from benchmarks import (
    gpu,
    log,
    memory,
    opening,
    overhead,
    prefix,
    search,
    serving_prefix,
    step,
    timms_way,
    workers,
)
from benchmarks.breakdown import REST, breakdown, flops_of, group_of
from benchmarks.fates import Fate, fates_that_differ, outline
from benchmarks.lives import RECORDS
from benchmarks.log_writers import SYSTEMS
from benchmarks.measure import interleaved
from benchmarks.page import Page, Row, markdown
from benchmarks.peer import Peer, PeerError
from benchmarks.peers.changes import changed, turned
from benchmarks.slices import ProgramFailedError, Told, in_slices
from benchmarks.tiny_mlp import MEMBER, installed
from taskgrove.backbones.families import family_of
from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.hparams import Hparams
from taskgrove.experiment.spec import TrainSpec
from taskgrove.tasks.preprocess import RESOLUTION
from tests.forked import CONTEXT
from tests.unit.small_experiments import SMALL, written

TINY = ["--device", "cpu", "--threads", "1", "--repetitions", "1"]
TINY_VIT = ["--member", "vit-tiny-test", "--batch", "16"]
TINY_CHILD = ["--data", "noise:64", "--samples", "32", "--cycles", "1", "--precision", "fp32"]
pytestmark = pytest.mark.usefixtures("threads", "_loaded")


@pytest.fixture
def _loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers need not load torch."""
    for module in ("workers", "log_writers", "slices"):
        monkeypatch.setattr(f"benchmarks.{module}.get_context", lambda _: CONTEXT)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "found"


def tables(out: Path) -> dict[str, list[dict[str, Any]]]:
    """The tables of a result, which people can read too."""
    page = json.loads(Path(f"{out}.json").read_text(encoding="utf-8"))
    assert page["conditions"]["versions"].startswith("Taskgrove")
    assert Path(f"{out}.md").read_text(encoding="utf-8").startswith(f"# {page['title']}")
    found: dict[str, list[dict[str, Any]]] = page["tables"]
    return found


def test_a_step_is_compared_with_its_peer_and_explained(out: Path) -> None:
    little = ["--resolution", "8", "--precision", "fp32", "--steps", "1", "--no-peer-kept"]
    step.main([*TINY, *TINY_VIT, *little, "--out", str(out)])
    found = tables(out)
    names = [row["variant"] for row in found["One step"]]
    assert names[1:] == ["Taskgrove plain", "Taskgrove fast"]
    assert "plain loop" in names[0]
    assert all(row["ms"] > 0 for row in found["One step"])
    shares = [row["share %"] for row in found["Where the time of a fast step goes, fp32"]]
    assert sum(shares) == pytest.approx(100)
    assert found["The floor"][0]["GFLOP"] > 0


def test_children_are_compared_by_first_trainable_layer(out: Path) -> None:
    prefix.main([*TINY, *TINY_VIT, *TINY_CHILD, "--out", str(out)])
    rows = tables(out)["Steps"]
    assert [row["first trainable"] for row in rows] == ["embedding", "block_0", "block_1", "norm", "head"]
    arithmetic = [row["arithmetic above it"] for row in rows]
    assert arithmetic == sorted(arithmetic, reverse=True)
    assert out.with_suffix(".png").exists()


def test_answers_of_several_tasks_are_compared_with_each_by_itself(out: Path) -> None:
    few = ["--member", "vit-tiny-test", "--images", "8", "--tasks", "1", "3"]
    serving_prefix.main([*TINY, *few, "--out", str(out)])
    rows = tables(out)["Answers of all tasks"]
    assert [row["tasks"] for row in rows] == [1, 3]
    assert all(row[f"{way}, ms"] > 0 for row in rows for way in serving_prefix.WAYS)


def test_a_search_is_compared_with_itself_and_timms_way(tmp_path: Path, out: Path) -> None:
    recipe = written(tmp_path, SMALL)
    small = ["--device", "auto", "--workers", "1"]
    search.main([*TINY, *small, "--recipe", str(recipe), "--out", str(out)])
    found = tables(out)
    ways = [row["way"] for row in found["Wall time"]]
    assert ways[:4] == [search.FAST, search.ALONE, search.PLAIN, search.FLOAT32]
    assert [way.rpartition(", ")[2] for way in ways[4:]] == ["fp32", "bf16"]
    alone, plain, _ = found["The same search as the first way's"]
    assert plain["children"] == alone["children"] == alone["same quality"] == 2
    assert sum(row["children"] for row in found["Children by resolution"]) == 2


def test_timms_way_costs_what_children_of_each_kind_cost(tmp_path: Path) -> None:
    grove = taskgrove.create(tmp_path / "grove", root="vit-tiny-test")
    for task in "ab":
        grove.add_task(task, "sklearn:digits")
    wanted: list[tuple[int, Hparams]] = [(8, {}), (8, {"data.hue": 0.1}), (8, {"data.flip": True}), (16, {})]
    wanted.append((8, {"data.contrast": 0.2}))
    children = [mock.Mock(task="a", hparams={RESOLUTION: edge, **changes}) for edge, changes in wanted]
    children += [mock.Mock(task="b", hparams={RESOLUTION: 8})] * 9
    tunings = timms_way.tunings_of(grove, children, 1, TrainSpec(samples_cap=64, batch_size=8), tmp_path)
    # Hues of grey digits are nothing that could change.
    asked = [(t.request["resolution"], t.request["changes"], t.children) for t in tunings]
    assert asked == [(8, {}, 2), (8, {"contrast": 0.2}, 2), (16, {}, 1), (8, {}, 9)]
    way = timms_way.TimmsWay(python="", settings={}, tunings=tunings)
    told = Told(slices=[(0, 3), (10, 12)], value=("timm", [(0, 1), (1, 2), (2, 11), (11, 12)]))
    assert way.all_children(told) == ("timm", 2 * 1 + 2 * 1 + 1 * (1 + 1) + 9 * 1)


def test_children_are_chosen_from_all_parts_of_a_search() -> None:
    assert timms_way.spread("abcdefgh", 2) == ["c", "g"]
    assert timms_way.spread("abc", 3) == ["a", "b", "c"]
    assert timms_way.spread("abc", 9) == ["a", "b", "c"]


class Busy:
    """Works for some time of its own and notes when, as does a process that it starts.

    Args:
        folder: Where they note it.
        seconds: Each of them.
    """

    NOTE = """
import sys, time
with open(sys.argv[1], "w") as file:
    while time.process_time() < float(sys.argv[2]):
        print(time.perf_counter(), file=file)
"""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds

    def __call__(self) -> Callable[[], str]:
        self._folder.mkdir()
        return self._work

    def _work(self) -> str:
        script = [sys.executable, "-S", "-c", self.NOTE, str(self._folder / "started"), str(self._seconds)]
        with subprocess.Popen(script), (self._folder / "own").open("w") as file:
            end = time.process_time() + self._seconds
            while time.process_time() < end:
                print(time.perf_counter(), file=file)
        return self._folder.name

    def noted(self) -> list[float]:
        return [float(line) for path in self._folder.iterdir() for line in path.read_text().splitlines()]


def test_programs_run_while_the_others_are_stopped(tmp_path: Path) -> None:
    programs = {name: Busy(tmp_path / name, 0.4) for name in "ab"}
    told = in_slices(programs, {"a": 0.05, "b": 0.1})
    spans = {name: one.slices for name, one in told.items()}
    assert {name: one.value for name, one in told.items()} == {"a": "a", "b": "b"}
    assert len(spans["a"]) > 3
    everything = sorted(span for several in spans.values() for span in several)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(everything))
    for name, one in told.items():
        noted = programs[name].noted()
        assert len({path.name for path in (tmp_path / name).iterdir()}) == 2
        inside = sum(any(start <= at <= end for start, end in spans[name]) for at in noted)
        # A process may take some microseconds to stop.
        assert inside >= 0.99 * len(noted)
        assert one.seconds >= 0.4
        assert one.running(0.0, noted[0]) < one.seconds < one.running(0.0, time.perf_counter()) + 1e-9


def test_a_program_that_fails_ends_the_others(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailedError, match="ended with 1"):
        in_slices({"a": Busy(tmp_path / "a", 60), "b": fails}, {"a": 0.01, "b": 0.01})


def fails() -> Callable[[], object]:
    """A program whose work raises."""
    return lambda: 1 // 0


@pytest.mark.parametrize(
    "changes",
    [
        {"quality": 0.9},
        {"area_min": 0.05, "aspect_min": 0.5},
        {"flip": 1.0},
        {"brightness": 0.5},
        {"contrast": 0.5},
        {"saturation": 0.5},
        {"hue": 0.5},
    ],
    ids=" ".join,
)
def test_timms_way_changes_pictures_at_random(changes: dict[str, float]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    picture = Image.fromarray(pixels)
    random.seed(0)
    found = {changed(picture, 16, changes).tobytes() for _ in range(8)}
    assert len(found) > 1
    assert changed(picture, 16, changes).size == (16, 16)
    assert changed(picture, 16, {}) == picture.resize((16, 16), Image.Resampling.BILINEAR)


def test_a_turn_of_hues_moves_colours_either_way_and_keeps_grey() -> None:
    colours = np.array([[[255, 0, 0], [90, 90, 90]]], np.uint8)
    picture = Image.fromarray(colours)
    third = np.asarray(turned(picture, 1 / 3))
    assert third[0, 0].argmax() == 1
    assert third[0, 1].tolist() == [90, 90, 90]
    assert np.asarray(turned(picture, -1 / 3))[0, 0].argmax() == 2


def test_overhead_is_compared_with_bare_loops(out: Path) -> None:
    absent = ["--trainers-python", str(out)]
    overhead.main([*TINY, *absent, "--images", "64", "--batch", "32", "--cycles", "1", "--out", str(out)])
    loops = {row["loop"]: row for row in tables(out)["Training"]}
    assert {"bare loop", "Taskgrove fast", "Taskgrove plain"} <= set(loops)
    assert loops["bare loop"]["of the bare loop"] == 1
    assert "avalanche took no part" in Path(f"{out}.md").read_text(encoding="utf-8")


def test_the_tiny_mlp_is_known_only_while_it_is_installed() -> None:
    with installed():
        assert family_of(MEMBER).name == "tinymlp"
    with pytest.raises(UnknownNameError):
        family_of(MEMBER)


def test_workers_are_counted(out: Path) -> None:
    small = ["--workers", "2", "--children", "1", "--products", "2"]
    workers.main([*TINY, *TINY_VIT, *TINY_CHILD, *small, "--out", str(out)])
    one, two = tables(out)["Throughput"]
    assert (one["workers"], two["workers"]) == (1, 2)
    assert (one["× one worker"], one[workers.LIMIT]) == (1, 1)
    assert two["× one worker"] == pytest.approx(two["children/s"] / one["children/s"])
    assert two[workers.LIMIT] > 0


def test_numbers_of_workers_double_up_to_the_most() -> None:
    assert [workers.up_to(n) for n in (1, 2, 6, 8)] == [(1,), (1, 2), (1, 2, 4, 6), (1, 2, 4, 8)]


def test_memory_is_held_against_its_bound(out: Path) -> None:
    memory.main([*TINY, "--tasks", "2", "--children", "4", "--images", "60", "--out", str(out)])
    found = tables(out)
    bound = sum(row["MiB"] for row in found["The bound"])
    assert found["Growing tasks"][0]["bound, MiB"] == pytest.approx(bound)
    assert out.with_suffix(".png").exists()


@pytest.mark.slow
def test_the_script_for_gpus_runs_anywhere(out: Path) -> None:
    gpu.main([*TINY, "--tiny", "--no-compiled", "--precision", "fp32", "--out", str(out)])
    budget = tables(out)["The papers' budget on eight tasks, extrapolated"]
    assert all(row["minutes"] > 0 for row in budget)
    assert budget[0]["million images at most"] == pytest.approx(262.144)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The .grad attribute")  # of the compiler
@pytest.mark.skipif(not gpu.can_compile(torch.device("cpu")), reason="there is no compiler")
def test_the_script_for_gpus_measures_compiled_steps(out: Path) -> None:
    gpu.main([*TINY, "--tiny", "--precision", "fp32", "--out", str(out)])
    rows = {row["engine"]: row for row in tables(out)["One step, all layers trainable"]}
    assert list(rows) == ["plain", "fast", "fast, compiled"]
    assert rows["fast, compiled"]["first step, s"] > rows["fast"]["first step, s"]


def test_the_papers_budget_is_that_of_the_best_number_of_processes() -> None:
    measured: list[Row] = [{"workers": n, "children/s": rate} for n, rate in ((1, 2.0), (2, 3.0), (4, 1.0))]
    row = gpu.budget_row("all", measured, gpu.TINY)
    assert row["processes"] == 2
    assert row["million images at most"] == pytest.approx(262.144)
    assert row["minutes"] == pytest.approx(262.144e6 / (3.0 * gpu.TINY.samples) / 60)


def test_variants_take_turns_and_the_first_turn_is_forgotten() -> None:
    order: list[str] = []

    def run(name: str) -> float:
        order.append(name)
        return float(len(order))

    found = interleaved({"a": lambda: run("a"), "b": lambda: run("b")}, 2)
    assert order == ["a", "b"] * 3
    assert found == {"a": (3.0, 5.0), "b": (4.0, 6.0)}
    assert median(found["a"]) == 4


def test_a_step_of_a_convolutional_network_has_a_peer_too(out: Path) -> None:
    tiny = ["--member", "convnet-tiny-test", "--resolution", "16", "--batch", "8"]
    step.main([*TINY, *tiny, "--precision", "fp32", "--steps", "1", "--no-peer-kept", "--out", str(out)])
    found = tables(out)["One step"]
    assert found[0]["variant"] == "plain PyTorch modules, plain loop"
    assert all(row["ms"] > 0 for row in found)


def test_graphs_are_measured_on_gpus_alone() -> None:
    cpu, gpus = torch.device("cpu"), torch.device("cuda")
    assert step.ways(cpu, compiled=False) == ("plain", "fast")
    assert step.ways(cpu, compiled=True) == ("plain", "fast", "fast, compiled")
    assert step.ways(gpus, compiled=True) == ("plain", "fast", "fast, compiled", "fast, as CUDA graphs")


def test_the_products_of_a_step_are_counted() -> None:
    a, b = torch.rand(4, 5), torch.rand(5, 6)

    def learn(steps: int) -> None:
        for _ in range(steps):
            torch.relu(a @ b)

    shares, products = breakdown(learn, torch.device("cpu"))
    assert flops_of(products) == 2 * 4 * 5 * 6
    assert shares["matrix products"] > 0


@pytest.mark.parametrize(
    ("operator", "group"),
    [
        ("aten::addmm", "matrix products"),
        ("aten::add_", "element-wise"),
        ("aten::_log_softmax", "loss"),
        ("aten::_softmax", "norms, softmax, GELU"),
        ("autograd::engine::evaluate_function: AddmmBackward0", REST),
    ],
)
def test_operators_are_grouped(operator: str, group: str) -> None:
    assert group_of(operator) == group


def test_a_peer_that_cannot_start_says_why() -> None:
    with pytest.raises(PeerError, match="No module named"):
        Peer(sys.executable, "benchmarks.peers.absent", {}, {})


def test_fates_are_compared_up_to_where_searches_part() -> None:
    def fate(child: int, quality: float, accepted: bool, rate: float = 1.0) -> Fate:
        return Fate(place=("t", 0, 0, child), quality=quality, accepted=accepted, mutations={"opt.lr": rate})

    other = fate(1, 0.9, True, rate=2.0)  # in its place is another child, so its quality says nothing
    left = [fate(0, 0.50, True), fate(1, 0.1, True), fate(2, 0.60, True), fate(3, 0.9, True)]
    right = [fate(0, 0.52, True), other, fate(2, 0.49, False), fate(3, 0.1, True)]
    found = outline(left, right)
    assert found["first differing decision"] == "child 3"
    assert found["largest difference before, points"] == pytest.approx(2)
    assert [row["child"] for row in fates_that_differ(left, right)] == ["t iteration 0 generation 0 child 2"]


def test_a_page_is_readable() -> None:
    page = Page(title="T", conditions={"cores": 2.0}, tables={"A": [{"what": "x", "ms": 1.234}], "B": []})
    table = "| what | ms |\n| :--- | ---: |\n| x | 1.23 |"
    assert markdown(page, None) == f"# T\n\n## A\n\n{table}\n\n## B\n\nNone.\n\n## Conditions\n\n- cores: 2\n"


def test_records_per_second_are_compared_with_a_journal(out: Path) -> None:
    log.main([*TINY, "--records", "4", "--writers", "1", "--out", str(out)])
    rows = {(row["system"], row["durable"]): row for row in tables(out)["Appending"]}
    assert len(rows) == 2 * len(SYSTEMS)
    assert all(row["writers"] == 1 and row["records/s"] > 0 for row in rows.values())


def test_opening_is_measured_in_fresh_processes(out: Path) -> None:
    works = ["open", "open and view an old commit"]
    opening.main([*TINY, "--models", "9", "--tasks", "2", "--works", *works, "--out", str(out)])
    found = tables(out)
    assert [row["what"] for row in found["A fresh process"]] == works
    assert all(0 < row["s"] < 10 for row in found["A fresh process"])
    assert {row["what"]: row["objects"] for row in found["Stored"]}["records"] == 1 + 2 + 1 + 2 * RECORDS


def test_a_store_with_sharing_takes_less_than_a_file_per_task(out: Path) -> None:
    bytes_.main([*TINY, "--member", "vit-tiny-test", "--tasks", "3", "--out", str(out)])
    found = {row["what"]: row["value"] for row in tables(out)["Ratios"]}
    assert found["store over distinct bytes, %"] > 0
    assert found["files with momentum / store"] > 0
