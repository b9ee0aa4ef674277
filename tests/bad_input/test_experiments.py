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


def variants(text: str) -> Prepare:
    return after(f'[[variants]]\nname = "v"\n{text}')


UNKNOWN = "unknown_name"
TAKEN = "duplicate_name"
SEGMENT = '[[segments]]\nname = "s"\n'
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
    case("unknown key of a task", after('label = "y"'), "'label'", r"in tasks\[0\].*Known: .*name", UNKNOWN),
    case("unknown option", toml("children", "kids"), "'kids'", "in agent .*Known: children", UNKNOWN),
    case("unknown agent", toml('"mu2net_plus"', '"net"'), "'net'", "agent named 'net'.* Known: ", UNKNOWN),
    case("unknown root", toml("vit-tiny-test", "vit-tiny"), "'vit-tiny'", "Did you mean 'vit-ti", UNKNOWN),
    case("unknown source", toml("npz:", "nzp:"), "'nzp'", "Did you mean 'npz'", UNKNOWN),
    case(
        "unknown executor", toml('device = "cpu"', 'executor = "x"'), "'x'", "Known: futures, inline", UNKNOWN
    ),
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
    case("unknown space", after('[space]\nbase = "x"'), "'x'", "search space named 'x'.* Known: ", UNKNOWN),
    case("unknown score", after('[score]\nform = "x"'), "'x'", "form of score named 'x'.* Known: ", UNKNOWN),
    case(
        "idle setting of a score",
        after('[score]\nform = "quality"\nscale = 0.9'),
        "score.scale",
        "means nothing in a score of form 'quality'.*choose another score.form",
    ),
    case("budget of nothing", after("[budget]\ncycles = 0"), "budget.cycles", "at least 1, got 0"),
    case(
        "budget that iterations cannot share",
        toml(GOOD, GOOD.replace("iterations = 1", "iterations = 2") + "[budget]\ncycles = 3"),
        "budget.cycles = 3",
        "agent.iterations = 2; choose a multiple",
    ),
    case(
        "budget that generations cannot share",
        toml(GOOD, GOOD.replace("children = 1", "children = 2") + "[budget]\ncycles = 3"),
        "a budget of 3 train cycles",
        "Choose budget.cycles = ",
    ),
    case(
        "unknown key of a segment", after(SEGMENT + "root = {}"), "'root'", r"segments\[0\].*Known: ", UNKNOWN
    ),
    case("segment named twice", after(SEGMENT + SEGMENT), "s is named", "segments: .* more than once", TAKEN),
    case("segment without a name", after("[[segments]]\n"), "segments[0]", "needs name"),
    case(
        "unknown task of a segment", after(SEGMENT + 'only = ["c"]'), "'c'", "segment 's'.*Known: b", UNKNOWN
    ),
    case(
        "mistake in a segment's agent",
        after(f'[[segments]]\nname = "r"\n{SEGMENT}agent = {{ method = "net" }}'),
        "'net'",
        "exp.s: .*agent named 'net'",
        UNKNOWN,
    ),
    case("variants", variants(""), "variants", "taskgrove compare FILE --out"),
    case(
        "task named twice",
        after('[[tasks]]\nname = "b"\nsource = "npz:good.npz"'),
        "b is named",
        "more than once",
        "duplicate_name",
    ),
]


COMPARE = "compare x.toml --out grown"


def compared(
    id: str,
    prepare: Prepare,
    names: str,
    advice: str,
    kind: str = "bad_value",
    *,
    options: str = "",
) -> Case:
    command = f"{COMPARE} {options}"
    return Case(id=id, command=command, kind=kind, names=names, advice=advice, prepare=prepare)


CASES += [
    compared("no variants", after(""), "no variants", "taskgrove run FILE --store"),
    compared("unknown key of a variant", variants("seed = 1"), "'seed'", r"variants\[0\].*Known: ", UNKNOWN),
    compared("variant named twice", variants('[[variants]]\nname = "v"'), "v is named", "variants: ", TAKEN),
    compared(
        "variants of one folder", variants('[[variants]]\nname = "V"'), "'V'", "Name one of them", TAKEN
    ),
    compared("variant without letters", variants('[[variants]]\nname = "?"'), "'?'", "one letter or digit"),
    compared(
        "unknown variant", variants(""), "'w'", "variant named 'w'.*Known: v", UNKNOWN, options="--only w"
    ),
    compared("seed twice", variants(""), "1 is named", "seeds: ", TAKEN, options="--seeds 1,0,1"),
    compared("no seed", variants(""), "1 and 0", "at least one of each", options='--seeds ""'),
    compared("no jobs", variants(""), "got 0", "jobs must be at least 1", options="--jobs 0"),
    compared(
        "unknown agent of a variant",
        variants('agent = { method = "net" }'),
        "'net'",
        "variant 'v': .*agent named 'net'",
        UNKNOWN,
    ),
    compared(
        "unknown task in a variant's segment",
        variants('segments = [{ name = "s", only = ["c"] }]'),
        "'c'",
        "variant 'v': segment 's': .*Known: b",
        UNKNOWN,
    ),
    Case(
        id="folder that is a file",
        command="compare x.toml --out good.npz",
        kind="bad_value",
        names="good.npz",
        advice="is a file. Choose another path",
        prepare=variants(""),
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


@pytest.mark.usefixtures("no_pictures")
def test_a_report_that_cannot_be_written_loses_nothing(place: Path) -> None:
    (place / "x.toml").write_text(GOOD, encoding="utf-8")
    outcome = taskgrove(f"{RUN} --report good.npz")
    assert outcome.code == 2
    assert "good.npz is a file. Choose another path" in outcome.err
    before = snapshot(place)
    done("show grown b")
    assert snapshot(place) == before


def test_a_comparison_that_partly_failed_says_so_and_goes_on(place: Path) -> None:
    variants('[[variants]]\nname = "w"\nroot = { member = "vit-tiny-test", weights = "gone.npz" }')(place)
    outcome = taskgrove(f"{COMPARE} --json")
    assert outcome.code == 2
    assert "1 of the runs failed; the same command tries them again" in outcome.err
    page = (place / "grown" / "compare.md").read_text(encoding="utf-8")
    assert "1 of 2 runs finished" in page
    assert "gone.npz" in page
    assert done("check grown/v/seed0").endswith("sound.\n")


def test_seeds_that_are_no_numbers_are_a_wrong_command_line(place: Path) -> None:
    variants("")(place)
    outcome = taskgrove(f"{COMPARE} --seeds one")
    assert outcome.code == 2
    assert "'one' is not a list of whole numbers" in outcome.err
    assert not (place / "grown").exists()
