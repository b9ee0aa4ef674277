"""The house rules that a program can check, checked; what they are for is in CONTRIBUTING.md."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
VAGUE = frozenset({"utils", "util", "common", "core", "helpers", "helper", "misc"})
FILES = sorted(
    path
    for room in ("taskgrove", "tests", "benchmarks", "examples", "docs")
    for path in (ROOT / room).rglob("*.py")
)
PACKAGE = [path for path in FILES if path.is_relative_to(ROOT / "taskgrove")]
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")
BARE = re.compile(r"#\s*(type:\s*ignore(?!\[[\w, -]+\])|noqa(?!:\s*[A-Z]+[0-9]+))")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def offences(what: Iterator[tuple[Path, int, str]]) -> list[str]:
    """`file:line: what is wrong`, one each."""
    return [f"{path.relative_to(ROOT)}:{line}: {text}" for path, line, text in what]


@cache
def parsed(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file, the module first."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def nodes(paths: list[Path]) -> Iterator[tuple[Path, ast.AST]]:
    """Every node of every file."""
    return ((path, node) for path in paths for node in parsed(path))


@cache
def comments() -> tuple[tuple[Path, int, str], ...]:
    """Every comment of every file with its line."""
    return tuple(
        (path, token.start[0], token.string)
        for path in FILES
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
        if token.type == tokenize.COMMENT
    )


def lines_of(function: Function) -> int:
    """Lines of a function, its docstring among them."""
    return (function.end_lineno or 0) - function.lineno + 1


def name_of(expression: ast.expr) -> str:
    """The last word of a base class or a decorator: `X` of `room.X[T]` and `room.X(...)`."""
    while isinstance(expression, ast.Subscript | ast.Call):
        expression = expression.value if isinstance(expression, ast.Subscript) else expression.func
    return expression.attr if isinstance(expression, ast.Attribute) else ast.unparse(expression)


def test_there_are_files_to_check() -> None:
    assert len(PACKAGE) > 50
    assert Path(__file__) in FILES


def test_no_file_is_too_long() -> None:
    sizes = ((path, len(path.read_text(encoding="utf-8").splitlines())) for path in FILES)
    assert not offences((p, n, f"more than {MAX_FILE_LINES} lines") for p, n in sizes if n > MAX_FILE_LINES)


def test_no_function_is_too_long() -> None:
    assert not offences(
        (path, node.lineno, f"{node.name} has {lines_of(node)} lines")
        for path, node in nodes(FILES)
        if isinstance(node, Function) and lines_of(node) > MAX_FUNCTION_LINES
    )


def test_every_module_says_what_it_is_for() -> None:
    assert not offences(
        (path, 1, "no module docstring")
        for path, node in nodes(FILES)
        if isinstance(node, ast.Module) and not ast.get_docstring(node)
    )


def test_nothing_is_left_to_be_done_without_an_issue() -> None:
    found = ((path, line, text) for path, line, text in comments() if UNFINISHED.search(text))
    assert not offences(found)


def test_suppressions_name_what_they_suppress() -> None:
    assert not offences((path, line, text) for path, line, text in comments() if BARE.search(text))


def test_imports_are_absolute() -> None:
    assert not offences(
        (path, node.lineno, f"relative import of {node.module}")
        for path, node in nodes(FILES)
        if isinstance(node, ast.ImportFrom) and node.level
    )


def test_no_attribute_is_probed_for() -> None:
    probes = ("hasattr", "getattr")
    assert not offences(
        (path, node.lineno, node.func.id)
        for path, node in nodes(PACKAGE)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in probes
    )


def test_no_name_says_nothing() -> None:
    assert not offences(
        (path, 1, "a name that says nothing")
        for path in FILES
        if VAGUE & {path.stem, *path.relative_to(ROOT).parts[:-1]}
    )


def test_what_implements_an_interface_is_final() -> None:
    assert not offences(
        (path, node.lineno, f"{node.name} is not @final")
        for path, node in nodes(PACKAGE)
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("Abstract")
        and any(name_of(base).startswith("Abstract") for base in node.bases)
        and "final" not in map(name_of, node.decorator_list)
    )


def test_interfaces_are_abstract() -> None:
    assert not offences(
        (path, node.lineno, f"{node.name} derives from neither ABC nor another interface")
        for path, node in nodes(PACKAGE)
        if isinstance(node, ast.ClassDef)
        and node.name.startswith("Abstract")
        and not any(name_of(base) == "ABC" or name_of(base).startswith("Abstract") for base in node.bases)
    )


@pytest.mark.parametrize("text", ["# type: ignore", "x  # noqa", "#type:ignore", "# noqa: "])
def test_a_bare_suppression_is_seen(text: str) -> None:
    assert BARE.search(text)


@pytest.mark.parametrize("text", ["# type: ignore[call-arg]", "# noqa: ARG001 - why", "# TODO(#12): later"])
def test_a_reasoned_comment_passes(text: str) -> None:
    assert not BARE.search(text)
    assert not UNFINISHED.search(text)


def test_base_classes_are_recognised_however_they_are_written() -> None:
    written = ("AbstractAgent", "base.AbstractAgent", "AbstractAgent[State]", "base.AbstractAgent[State]")
    assert {name_of(ast.parse(text, mode="eval").body) for text in written} == {"AbstractAgent"}


def test_changelog_fragments_are_named_for_what_they_say() -> None:
    fragments = [path for path in (ROOT / "changes").iterdir() if not path.name.startswith(".")]
    assert fragments
    for path in fragments:
        assert re.fullmatch(r"\d+\.(feature|bugfix|doc|removal|misc)\.md", path.name), path.name
        assert path.read_text(encoding="utf-8").strip()
