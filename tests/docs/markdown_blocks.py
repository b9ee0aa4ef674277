"""Reads the fenced blocks of Markdown pages."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = tuple(sorted(path for path in (ROOT / "README.md", *DOCS.rglob("*.md")) if path.exists()))
_FENCE = re.compile(
    r"""(?:<!--\s*not\ run:\s*(?P<reason>.+?)\s*-->\s*\n+)?
    ^```(?P<language>\w+)(?:\s+title="(?P<title>[^"]*)")?\s*\n(?P<code>.*?)^```""",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block.

    Attributes:
        page: Where it stands.
        line: Of its first line of code.
        language: `python`, `toml`, `console`.
        title: The file that it is, if the fence says so.
        code: Its text.
        reason: Why it is not run; empty when it is.
    """

    page: Path
    line: int
    language: str
    title: str
    code: str
    reason: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path, language: str) -> tuple[Block, ...]:
    """The page's blocks in a language, in order."""
    text = page.read_text(encoding="utf-8")
    return tuple(
        Block(
            page=page,
            line=text.count("\n", 0, match.start("code")) + 1,
            language=match["language"],
            title=match["title"] or "",
            code=match["code"],
            reason=match["reason"] or "",
        )
        for match in _FENCE.finditer(text)
        if match["language"] == language
    )


def execute(block: Block, namespace: dict[str, object]) -> None:
    """Run a block; tracebacks show its place on the page."""
    exec(compile("\n" * (block.line - 1) + block.code, str(block.page), "exec"), namespace)


def as_module(block: Block) -> ModuleType:
    """A block that is a file, as an imported module: `my_package/x.py` is `my_package.x`."""
    name = block.title.removesuffix(".py").replace("/", ".")
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(block.page)
    sys.modules[name] = module
    execute(block, vars(module))
    return module
