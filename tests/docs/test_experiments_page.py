"""What the page on experiments shows of segments and variants can be carried out."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from taskgrove.experiment.comparison.variants import CHANGED, read_variants
from taskgrove.experiment.decode import SEGMENTS, VARIANTS
from taskgrove.experiment.segments import ARRIVING, REPLACED, read_segments
from taskgrove.experiment.sequence import check_sequence
from tests.docs.markdown_blocks import DOCS, blocks_of

PAGE = DOCS / "experiments.md"
BLOCKS = {key: b.code for b in blocks_of(PAGE, "toml") for key in tomllib.loads(b.code) if key.endswith("s")}
TOP = 'name = "x"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.toml"


def test_the_segments_on_the_page_are_experiments(path: Path) -> None:
    path.write_text(TOP + BLOCKS[SEGMENTS], encoding="utf-8")
    specs = read_segments(path)
    check_sequence(specs)
    assert [spec.name for spec in specs] == ["x.quality", "x.cost", "x.arrivals"]


def test_the_variants_on_the_page_are_experiments(path: Path) -> None:
    path.write_text(TOP + BLOCKS[VARIANTS], encoding="utf-8")
    for variant in read_variants(path):
        check_sequence(variant.specs)


@pytest.mark.parametrize(
    ("what", "keys"),
    [(SEGMENTS, ("name", "only", *ARRIVING, *REPLACED)), (VARIANTS, ("name", *CHANGED))],
    ids=[SEGMENTS, VARIANTS],
)
def test_every_key_is_on_the_page(what: str, keys: tuple[str, ...]) -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{what}.")]
    named = "".join(row.split("|")[1] for row in rows)
    assert [key for key in keys if f".{key}`" not in named] == []
