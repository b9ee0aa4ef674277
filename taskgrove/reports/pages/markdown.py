"""Pages as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from taskgrove.reports.pages.section import Picture, Section


def as_markdown(title: str, sections: Iterable[Section]) -> str:
    """The page; pictures are referred to by path, as PNG where there is one."""
    blocks = [f"# {title}"]
    for section in sections:
        blocks += [f"## {section.title}"] if section.title else []
        blocks += [_picture(part) if isinstance(part, Picture) else part for part in section.parts]
    return "\n\n".join(block.strip("\n") for block in blocks if block) + "\n"


def _picture(picture: Picture) -> str:
    files = sorted(picture.files, key=lambda path: not path.endswith(".png"))
    shown = f"![{picture.title}]({files[0]})\n\n" if files else ""
    numbers = f" Numbers: [`{picture.numbers}`]({picture.numbers})." if picture.numbers else ""
    return f"{shown}{picture.caption}{numbers}"
