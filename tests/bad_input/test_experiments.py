"""Experiment files with mistakes are refused before a system is made or changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bad_input.refusals import (
    Case,
    Prepare,
    assert_explained,
    assert_refused,
    done,
    nothing,
    snapshot,
    taskgrove,
)

RUN = "run x.toml --store grown"
GOOD = """
name = "exp"
device = "cpu"

[root]
member = "vit-tiny-test"

[agent]
method = "mu2net_plus"
iterations = 1
generations = 1
children = 1

[train]
cycles = 1
batch_size = 8
precision = "fp32"

[[tasks]]
name = "b"
source = "npz:good.npz"
"""


def toml(old: str, new: str) -> Prepare:
    """An experiment that is right but for one place."""
    assert old in GOOD

    def prepare(folder: Path) -> None:
        (folder / "x.toml").write_text(GOOD.replace(old, new, 1), encoding="utf-8")

    return prepare


def after(text: str) -> Prepare:
    return toml(GOOD, GOOD + text)


def case(id: str, prepare: Prepare, names: str, advice: str, kind: str = "bad_value") -> Case:
    return Case(id=id, command=RUN, kind=kind, names=names, advice=advice, prepare=prepare)


UNKNOWN = "unknown_name"
CASES = [
    case("no file", nothing, "x.toml", "Cannot read .* No such file"),
    case("a folder", lambda folder: (folder / "x.toml").mkdir(), "x.toml", "Cannot read .* directory"),
    case("not TOML", toml("[root]", "[root"), "x.toml", "not valid TOML: .* line 5"),
    case("not text", lambda f: (f / "x.toml").write_bytes(b"\xff\xfe"), "x.toml", "not valid TOML"),
    case("unknown key", toml("device", "devise"), "'devise'", "x.toml: .*Did you mean 'device'", UNKNOWN),
    case(
        "unknown nested key",
        toml("batch_size", "bach_size"),
        "'bach_size'",
        "in train.*'batch_size'",
        UNKNOWN,
    ),
    case("unknown key of a task", after('label = "y"'), "'label'", r"in tasks\[0\].*Known: name", UNKNOWN),
    case("unknown option", toml("children", "kids"), "'kids'", "in agent .*Known: children", UNKNOWN),
    case("unknown agent", toml('"mu2net_plus"', '"net"'), "'net'", "agent named 'net'.* Known: ", UNKNOWN),
    case("unknown root", toml("vit-tiny-test", "vit-tiny"), "'vit-tiny'", "Did you mean 'vit-ti", UNKNOWN),
    case("unknown source", toml("npz:", "nzp:"), "'nzp'", "Did you mean 'npz'", UNKNOWN),
    case("unknown executor", toml('device = "cpu"', 'executor = "x"'), "'x'", "Known: inline", UNKNOWN),
    case(
        "unknown default", after("[defaults]\nopt.momentun = 0.5"), "'opt.momentun'", "Did you mean", UNKNOWN
    ),
    case("default outside its space", after("[defaults]\nopt.lr = 7.0"), "opt.lr = 7.0", "search space"),
    case("unknown device", toml('"cpu"', '"gpu"'), "'gpu'", "auto, cpu, cuda"),
    case(
        "text for a number",
        toml("cycles = 1", 'cycles = "1"'),
        "train.cycles",
        r"must be int, got '1' \(str\)",
    ),
    case("yes for a number", toml("cycles = 1", "cycles = true"), "train.cycles", "must be int, got True"),
    case("number for a name", toml('"exp"', "7"), "name", "must be str, got 7"),
    case("value for a table", toml("[root]\nmember =", "root ="), "root", "must be a table"),
    case("table for a list", toml("[[tasks]]", "[tasks]"), "tasks", "must be a list"),
    case("no name", toml('name = "exp"', ""), "the experiment", "needs name"),
    case("no source", toml("source", "# source"), "tasks[0]", "needs source"),
    case("bad name", toml('"exp"', '"my experiment"'), "'my experiment'", "letters, digits"),
    case("bad task name", toml('"b"', '"b/c"'), "'b/c'", "letters, digits"),
    case("out of range", toml("cycles = 1", "cycles = 0"), "train.cycles", "at least 1, got 0"),
    case("scale", after("[score]\nscale = 1.5"), "score.scale", r"in \]0, 1\], got 1.5"),
    case("variable not set", toml("npz:good", "npz:${NO_SUCH_PLACE}/good"), "NO_SUCH_PLACE", "not set"),
    case(
        "task named twice",
        after('[[tasks]]\nname = "b"\nsource = "npz:good.npz"'),
        "b is named",
        "more than once",
        "duplicate_name",
    ),
]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_experiment_with_a_mistake_makes_nothing(case: Case) -> None:
    assert_refused(case)
    assert not Path("grown").exists()


@pytest.fixture
def grown(place: Path) -> Path:
    """The working folder after the experiment of `x.toml` has been carried out in `grown`."""
    (place / "x.toml").write_text(GOOD, encoding="utf-8")
    done(RUN)
    return place


CHANGES = [
    case("changed settings", toml("cycles = 1", "cycles = 2"), "'exp'", "another name"),
    case(
        "another root seed", toml('-test"', '-test"\nseed = 1'), "seed 1", "Use an empty store, or the root"
    ),
    case("other splits", after("test = 'val'\nval = 'test'"), "'b'", "Give the new task another name"),
    case("other data", toml("good.npz", "better.npz"), "better.npz", "Give the new task another name"),
]


@pytest.mark.usefixtures("grown")
@pytest.mark.parametrize("case", CHANGES, ids=lambda case: case.id)
def test_a_changed_experiment_does_not_continue_under_its_name(case: Case) -> None:
    assert_refused(case)
    assert taskgrove("check grown").code == 0


def test_an_experiment_goes_on_once_the_data_of_its_second_task_is_there(place: Path) -> None:
    after('[[tasks]]\nname = "c"\nsource = "npz:later.npz"')(place)
    outcome = taskgrove(RUN)
    assert outcome.code == 2
    assert_explained(outcome, "task_data", "later.npz", "check the path")
    assert taskgrove("check grown").code == 0
    (place / "later.npz").write_bytes((place / "good.npz").read_bytes())
    done(RUN)
    assert done("check grown").endswith("sound.\n")


def test_a_report_that_cannot_be_written_loses_nothing(place: Path) -> None:
    (place / "x.toml").write_text(GOOD, encoding="utf-8")
    outcome = taskgrove(f"{RUN} --report good.npz")
    assert outcome.code == 2
    assert "good.npz is a file. Choose another path" in outcome.err
    before = snapshot(place)
    done("show grown b")
    assert snapshot(place) == before
