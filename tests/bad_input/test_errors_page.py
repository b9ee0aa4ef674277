"""The page on errors and the tree of errors say the same."""

from __future__ import annotations

import re
from pathlib import Path

from taskgrove.domain import errors as module
from taskgrove.domain.errors import TaskgroveError

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
ROW = re.compile(r"\| (?P<what>[^|]+) \| `(?P<kind>\w+)` \| (?P<code>\d+) \| (?P<advice>[^|]+) \|")


def tree(root: type[TaskgroveError]) -> list[type[TaskgroveError]]:
    return [root, *(error for child in root.__subclasses__() for error in tree(child))]


def test_the_page_lists_every_kind_once_with_its_exit_code() -> None:
    documented = [(row["kind"], int(row["code"])) for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))]
    assert sorted(documented) == sorted((error.kind, error.exit_code) for error in tree(TaskgroveError))


def test_the_drawn_tree_names_every_error_with_the_exit_code_of_its_group() -> None:
    drawn, code = {"TaskgroveError": 1}, 1
    for line in (module.__doc__ or "").splitlines():
        if match := re.match(r"[│├└─ ]+(\w+)(?: \(exit code (\d)\))?", line):
            code = int(match[2] or code)
            drawn[match[1]] = code
    assert drawn == {error.__name__: error.exit_code for error in tree(TaskgroveError)}
