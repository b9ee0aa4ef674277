"""Everything on the pages that looks as if it worked does work."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from taskgrove.cli.main import app
from taskgrove.experiment.build import build_agent, build_device, build_train
from taskgrove.experiment.comparison.variants import read_variants
from taskgrove.experiment.search.spec import read_search
from taskgrove.experiment.segments import read_segments
from taskgrove.experiment.spec import ExperimentSpec
from tests.docs.markdown_blocks import DOCS, PAGES, ROOT, Block, as_module, blocks_of, execute

_NAMES = {page: str(page.relative_to(ROOT)) for page in PAGES}
_EXPERIMENT_KEYS = frozenset({"segments", "variants", *(field.name for field in fields(ExperimentSpec))})
_TOML = tuple(block for page in PAGES for block in blocks_of(page, "toml"))
_EXPERIMENTS = tuple(block for block in _TOML if _EXPERIMENT_KEYS & tomllib.loads(block.code).keys())
_LINK = re.compile(r"\[[^\]]*\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)")


@pytest.mark.parametrize("page", PAGES, ids=_NAMES.get)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.cpu_count", lambda: 1)  # more threads only wait on images this small
    namespace: dict[str, object] = {"__name__": "page"}
    for block in blocks_of(page, "python"):
        if block.title.endswith(".py"):
            as_module(block)
        elif not block.reason:
            execute(block, namespace)


@pytest.mark.parametrize("block", _EXPERIMENTS, ids=str)
def test_toml_blocks_are_experiments_that_could_be_run(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in re.findall(r"\$\{(\w+)\}", block.code):
        monkeypatch.setenv(variable, str(tmp_path))
    named = "name" in tomllib.loads(block.code)
    path = tmp_path / "experiment.toml"
    path.write_text(block.code if named else f'name = "fragment"\n{block.code}', encoding="utf-8")
    for spec in _experiments(path):
        build_agent(spec, spec.root.member, build_train(spec.train, build_device("cpu")))


def _experiments(path: Path) -> Iterator[ExperimentSpec]:
    """Those of a file with variants, with segments, with a search, or with none of these."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    if "variants" in table:
        yield from (spec for variant in read_variants(path) for spec in variant.specs)
    elif "search" in table:
        yield read_search(path)[0]
    else:
        yield from read_segments(path)


def command_lines(page: Path) -> Iterator[list[str]]:
    """Calls of the program on a page, in console blocks and in running text, as words."""
    text = page.read_text(encoding="utf-8")
    shown = re.findall(r"^(?:\$ )?(?:\S*/)?taskgrove ([a-z].*)$", text, re.MULTILINE)
    said = re.findall(r"`taskgrove ([a-z][^`\n]*)`", text)
    yield from (shlex.split(line, comments=True) for line in (*shown, *said))


def unknown_word(words: list[str]) -> str | None:
    """The first command or option that the program does not know."""
    command: Any = typer.main.get_command(app)
    while inner := vars(command).get("commands"):
        if not words or words[0] not in inner:
            return words[0] if words else "no command"
        command, words = inner[words[0]], words[1:]
    known = {"--help", *(text for p in command.params for text in (*p.opts, *p.secondary_opts))}
    options = (word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word))
    return next((option for option in options if option not in known), None)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_commands_on_the_page_exist(page: Path) -> None:
    wrong = {" ".join(words): unknown_word(words) for words in command_lines(page)}
    assert not {line: word for line, word in wrong.items() if word is not None}


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert unknown_word(["grow", "GROVE", "--agent", "x"]) is None
    assert unknown_word(["grow", "GROVE", "--agents", "x"]) == "--agents"
    assert unknown_word(["task", "remove"]) == "remove"


def anchors(page: Path) -> set[str]:
    """Names of a page's headings as GitHub links them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in _LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(path), f"{page.name} links to {target}#{anchor}"


def test_pages_and_experiments_are_found() -> None:
    assert DOCS / "python.md" in PAGES
    assert any(block.page == DOCS / "experiments.md" for block in _EXPERIMENTS)
