"""The table of claims: each has a source and tests, which exist; none is made twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.docs.markdown_blocks import DOCS, ROOT

PAGE = DOCS / "claims.md"
SOURCES = re.compile(r"\b(00[014] (§\d|Alg\. \d|Eq\. \d|Table \d)|notebooks|ours)")
METHODS = (
    *("munet", "mu2net", "mu2net_plus", "multi_head", "fine_tune", "fine_tune_top", "residual_adapters"),
    "bind_grow",
)
"""The methods of the papers."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A row of the page."""

    text: str
    source: str
    tests: tuple[str, ...]


def claims() -> list[Claim]:
    """All rows, in order."""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and not line.startswith(("| claim |", "| --- |")):
            text, source, tests = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            named = tuple(test.strip("`") for test in tests.split(", "))
            found.append(Claim(text=text, source=source, tests=named))
    return found


CLAIMS = claims()


def collected(within: pytest.Collector) -> Iterator[pytest.Item]:
    """The tests that pytest finds there."""
    for found in within.collect():
        if isinstance(found, pytest.Collector):
            yield from collected(found)
        else:
            yield found


def test_the_page_has_claims_on_every_method_of_the_papers() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(CLAIMS) > 60
    assert [name for name in METHODS if f"`{name}`" not in page] == []


def test_every_named_test_is_collected_and_not_slow(request: pytest.FixtureRequest) -> None:
    named = [test for claim in CLAIMS for test in claim.tests]
    files = {ROOT / "tests" / test.split("::")[0] for test in named}
    modules = (pytest.Module.from_parent(request.session, path=path) for path in sorted(files))
    items = (item for module in modules for item in collected(module))
    usual = {item.nodeid.split("[")[0] for item in items if item.get_closest_marker("slow") is None}
    assert [test for test in named if f"tests/{test}" not in usual] == []


def test_every_claim_has_its_place_in_a_paper_or_says_who_decided() -> None:
    assert [claim.text for claim in CLAIMS if SOURCES.match(claim.source) is None] == []


def test_no_claim_is_made_twice() -> None:
    texts = [claim.text for claim in CLAIMS]
    assert sorted(texts) == sorted({*texts})


def test_every_test_of_the_methods_is_of_a_claim() -> None:
    """A test without a row is a claim that the page forgot."""
    named = {test for claim in CLAIMS for test in claim.tests}
    for file in ("unit/test_munet.py", "unit/test_mu2net.py", "laws/test_method_laws.py"):
        defined = re.findall(r"^def (test_\w+)", (ROOT / "tests" / file).read_text(encoding="utf-8"), re.M)
        assert [name for name in defined if f"{file}::{name}" not in named] == []


def test_the_page_is_linked_from_the_index() -> None:
    assert "(claims.md)" in (DOCS / "index.md").read_text(encoding="utf-8")
