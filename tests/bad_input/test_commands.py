"""Commands on a grown system with names, values or images that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.bad_input.refusals import (
    GROW,
    Case,
    Prepare,
    assert_explained,
    assert_refused,
    done,
    nothing,
    snapshot,
    taskgrove,
)


def unknown(id: str, command: str, names: str, advice: str) -> Case:
    return Case(id=id, command=command, kind="unknown_name", names=names, advice=advice)


def bad(id: str, command: str, names: str, advice: str, prepare: Prepare = nothing) -> Case:
    return Case(id=id, command=command, kind="bad_value", names=names, advice=advice, prepare=prepare)


def saved(name: str, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Prepare:
    return lambda folder: np.save(folder / name, array)


def truncated_photo(folder: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(folder / "x.png")
    (folder / "x.png").write_bytes((folder / "x.png").read_bytes()[:90])


UNKNOWN = [
    unknown("show an unknown task", "show grove b", "'b'", "Known: a"),
    unknown("predict for an unknown task", "predict grove b x.png", "'b'", "Known: a"),
    unknown("evaluate an unknown task", "evaluate grove b", "'b'", "Known: a"),
    unknown("evaluate an unknown split", "evaluate grove a --split dev", "'dev'", "Known: test, train, val"),
    unknown("grow an unknown task", f"grow grove {GROW} --task b", "'b'", "Known: a"),
    unknown("unknown agent", f"grow grove {GROW} --agent mu2net_pus", "'mu2net_pus'", "mean 'mu2net_plus'"),
    unknown("unknown option", f"grow grove {GROW} --option sons=2", "'sons'", "Known: children, generations"),
    unknown("unknown default", f"grow grove {GROW} --default opt.rl=1", "'opt.rl'", "mean 'opt.lr'"),
    unknown("unknown executor", f"grow grove {GROW} --executor ray9", "'ray9'", "Known: futures, inline"),
    unknown("unknown suite", "task suite grove glyphs9", "'glyphs9'", "mean 'glyphs'"),
    unknown("unknown list", "list agent", "'agent'", "Did you mean 'agents'"),
]
VALUES = [
    bad("option of another type", f"grow grove {GROW} --option children=2.5", "children", "must be int"),
    bad("option out of range", f"grow grove {GROW} --option children=0", "children", "at least 1"),
    bad("option not offered", f"grow grove {GROW} --option private=x", "'x'", "must be 'train' or 'mutate'"),
    bad(
        "default outside its space", f"grow grove {GROW} --default opt.lr=9", "opt.lr", "not in its search sp"
    ),
    bad(
        "default that is text", f"grow grove {GROW} --default opt.lr=low", "'low'", "not in its search space"
    ),
    bad("no iterations", f"grow grove {GROW} --iterations 0", "iterations", "at least 1, got 0"),
    bad("scale 0", f"grow grove {GROW} --scale 0", "score.scale", r"in \]0, 1\], got 0"),
    bad("scale 1.5", f"grow grove {GROW} --scale 1.5", "score.scale", r"in \]0, 1\], got 1.5"),
    bad("scale NaN", f"grow grove {GROW} --scale nan", "score.scale", r"in \]0, 1\], got nan"),
    bad("batch size 0", f"grow grove {GROW} --batch-size 0", "batch_size", "at least 1, got 0"),
    bad("no cycles", f"grow grove {GROW} --cycles 0", "cycles", "at least 1, got 0"),
    bad("no samples", f"grow grove {GROW} --samples-cap 0", "samples_cap", "at least 1, got 0"),
    bad("unknown precision", f"grow grove {GROW} --precision fp8", "'fp8'", "auto, fp32 or bf16"),
    bad("unknown device", f"grow grove {GROW} --device tpu", "'tpu'", "must be auto, cpu, cuda"),
    bad("device of another kind", f"grow grove {GROW} --device meta", "'meta'", "must be auto, cpu, cuda"),
    bad("no GPU to grow", f"grow grove {GROW} --device cuda", "'cuda'", "no usable GPU.* use cpu or auto"),
    bad(
        "no GPU to evaluate", "evaluate grove --device cuda:1", "'cuda:1'", "no usable GPU.* use cpu or auto"
    ),
    bad("negative log", "log grove -n -1", "-1", "0 shows all"),
    bad("bad task name", "task add grove ../x npz:good.npz", "'../x'", "letters, digits"),
    bad("empty task name", "task add grove '' npz:good.npz", "''", "letters, digits"),
    Case(
        id="duplicate task",
        command="task add grove a npz:good.npz",
        kind="duplicate_name",
        names="'a'",
        advice="Choose another name",
    ),
    Case(
        id="task named twice",
        command=f"grow grove {GROW} --task a --task a",
        kind="duplicate_name",
        names="a is",
        advice="more than once",
    ),
]
IMAGES = [
    bad("missing image", "predict grove a x.png", "x.png", "There is no file"),
    bad(
        "float images",
        "predict grove a x.npy",
        "x.npy",
        "must be uint8.*astype",
        saved("x.npy", np.ones((8, 8))),
    ),
    bad(
        "five channels",
        "predict grove a x.npy",
        "x.npy",
        "must be",
        saved("x.npy", np.ones((1, 8, 8, 5), "uint8")),
    ),
    bad(
        "no images",
        "predict grove a x.npy",
        "x.npy",
        "not empty",
        saved("x.npy", np.ones((0, 8, 8), "uint8")),
    ),
    bad("empty file", "predict grove a x.npy", "x.npy", "cannot be read", lambda p: (p / "x.npy").touch()),
    bad("corrupt image", "predict grove a x.png", "x.png", "cannot be read", lambda p: (p / "x.png").touch()),
    bad("truncated image", "predict grove a x.png", "x.png", "cannot be read", truncated_photo),
    bad(
        "folder as image", "predict grove a x.png", "x.png", "cannot be read", lambda p: (p / "x.png").mkdir()
    ),
    bad(
        "second image bad",
        "predict grove a ok.npy x.png",
        "x.png",
        "no file",
        saved("ok.npy", np.ones((8, 8), "uint8")),
    ),
    bad("report folder is a file", "report grove good.npz", "good.npz", "is a file. Choose another path"),
    bad("report below a file", "report grove good.npz/sub", "good.npz", "is a file. Choose another path"),
]


@pytest.mark.usefixtures("place", "no_pictures")
@pytest.mark.parametrize("case", UNKNOWN + VALUES + IMAGES, ids=lambda case: case.id)
def test_what_does_not_fit_is_refused(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert_refused(case)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("grow grove --option children", "'children' is not NAME=VALUE"),
        ("grow grove --iterations many", "--iterations"),
        ("grow grove --iteration 1", "No such option"),
        ("grwo grove", "No such command"),
        ("predict grove a", "Missing argument"),
        ("run x.toml", "Missing option"),
    ],
)
def test_a_command_that_is_typed_wrongly_shows_its_usage(place: Path, command: str, says: str) -> None:
    before = snapshot(place)
    outcome = taskgrove(command)
    assert outcome.code == 2
    assert says in outcome.err
    assert "Usage: taskgrove" in outcome.err
    assert snapshot(place) == before


BEFORE_GROW = [
    bad("show", "show new a", "'a' has no model yet", "run `taskgrove grow` first"),
    bad("evaluate", "evaluate new a", "'a' has no model yet", "run `taskgrove grow` first"),
    unknown("predict", "predict new a x.npy", "'a' has no model yet", "run `taskgrove grow` first"),
    bad("grow", f"grow empty {GROW}", "no task to grow", "Add one with `taskgrove task add"),
]


@pytest.mark.parametrize("case", BEFORE_GROW, ids=lambda case: case.id)
def test_a_system_that_has_not_grown_says_what_to_do_first(place: Path, case: Case) -> None:
    done("init new --root vit-tiny-test")
    done("init empty --root vit-tiny-test")
    done("task add new a npz:good.npz")
    np.save(place / "x.npy", np.zeros((8, 8), np.uint8))
    assert_refused(case)
    assert taskgrove("check new").code == taskgrove("check empty").code == 0


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("command", ["show grove b", "predict grove b x.png", "evaluate grove b", "list b"])
def test_json_output_stays_clean_when_a_command_fails(command: str) -> None:
    outcome = taskgrove(f"{command} --json")
    assert outcome.code == 2
    assert_explained(outcome, "unknown_name", "'b'", "Known: ")
