"""Pretraining and roots by name that cannot be, from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import matplotlib
import pytest

from tests.bad_input.refusals import Case, Prepare, assert_refused, nothing

pytestmark = pytest.mark.usefixtures("threads")  # which a pretraining sets

RECIPE = """
member = "vit-tiny-test"
resolution = 8
steps = 4
batch_size = 8
precision = "fp32"
threads = 1
tasks = [{ name = "a", source = "npz:good.npz" }]
"""
COMMAND = "pretrain recipe.toml --out root.safetensors"


def recipe(old: str = "", new: str = "") -> Prepare:
    """A recipe in which something is replaced."""

    def prepare(folder: Path) -> None:
        assert old in RECIPE
        (folder / "recipe.toml").write_text(RECIPE.replace(old, new) if old else RECIPE, encoding="utf-8")

    return prepare


def fonts(*names: str) -> Prepare:
    """A recipe of a folder with these files, copied from matplotlib's when it has them."""

    def prepare(folder: Path) -> None:
        recipe("npz:good.npz", "fonts:runic@fonts")(folder)
        (folder / "fonts").mkdir()
        for name in names:
            shipped = Path(matplotlib.get_data_path(), "fonts", "ttf", name)
            if shipped.exists():
                shutil.copy(shipped, folder / "fonts")
            else:
                (folder / "fonts" / name).write_bytes(b"nonsense")

    return prepare


def occupied(folder: Path) -> None:
    recipe()(folder)
    (folder / "root.json").write_bytes(b"precious")


def case(
    id: str, kind: str, names: str, advice: str, prepare: Prepare, command: str = COMMAND, code: int = 2
) -> Case:
    return Case(id=id, command=command, kind=kind, names=names, advice=advice, prepare=prepare, code=code)


CASES = (
    case(
        "no recipe", "bad_value", "no.toml", "No such file", nothing, "pretrain no.toml --out r.safetensors"
    ),
    case("not TOML", "bad_value", "recipe.toml", "not valid TOML", recipe("steps =", "steps")),
    case(
        "unknown key", "unknown_name", "'learning_rate'", "recipe.*Known: ", recipe("steps", "learning_rate")
    ),
    case("no steps", "bad_value", "recipe needs steps", "", recipe("steps = 4", "")),
    case("zero steps", "bad_value", "got 0", "steps must be more than 0", recipe("steps = 4", "steps = 0")),
    case(
        "text for a number", "bad_value", "'many'", "steps must be int", recipe("steps = 4", 'steps = "many"')
    ),
    case("strange precision", "bad_value", "'fp8'", "precision must be auto, fp32", recipe("fp32", "fp8")),
    case("unknown member", "unknown_name", "'vit-tiny-tst'", "Did you mean", recipe("tiny-test", "tiny-tst")),
    case("wrong resolution", "bad_value", "is 9", "8, 12, 16", recipe("resolution = 8", "resolution = 9")),
    case("unknown source", "unknown_name", "'zip'", "Did you mean|Known", recipe("npz:", "zip:")),
    case("no data", "task_data", "bad.npz", "", recipe("good.npz", "bad.npz")),
    case(
        "no fonts folder", "task_data", "/none", "check the path", recipe("npz:good.npz", "fonts:thai@/none")
    ),
    case("folder without fonts", "task_data", "fonts", "end in .otf", fonts()),
    case("broken font", "task_data", "broken.ttf", "not a font", fonts("broken.ttf")),
    case("script in no font", "task_data", "0 font file", "Add fonts", fonts("DejaVuSans.ttf", "cmr10.ttf")),
    case("unknown script", "unknown_name", "'klingon'", "Known: ", recipe("npz:good.npz", "fonts:klingon@x")),
    case("unset variable", "bad_value", "NO_FONTS", "not set", recipe("good.npz", "${NO_FONTS}/good.npz")),
    case("out without ending", "bad_value", "root", r"end in \.safetensors", recipe(), COMMAND[:-12]),
    case(
        "out in no folder",
        "bad_value",
        "no/root.safetensors",
        "does not exist",
        recipe(),
        "pretrain recipe.toml --out no/root.safetensors",
    ),
    case("out is there", "bad_value", "root.json", "Choose another", occupied),
    case(
        "unknown root",
        "unknown_name",
        "'glyfs'",
        "Did you mean 'glyphs'",
        nothing,
        "init new --weights glyfs",
    ),
    case(
        "root of another backbone",
        "weights",
        "glyphs",
        "train",
        nothing,
        "init new --root vit-tiny-test --weights glyphs",
    ),
    case("hub without repository", "weights", "'hub:x'", "hub:<owner>", nothing, "init new --weights hub:x"),
)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_cannot_be_is_refused_with_an_explanation(case: Case) -> None:
    assert_refused(case)
