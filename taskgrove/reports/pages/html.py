"""Pages as HTML that works from disk: one file, no network, no server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from string import Template

from markdown_it import MarkdownIt

from taskgrove.reports.pages.section import Picture, Section

_ASSETS = files("taskgrove.reports.pages") / "assets"


def as_html(title: str, sections: Sequence[Section]) -> str:
    """The page, with its style and the little script that sorts and filters its tables inside.

    Markup in texts is shown as it stands, not obeyed; pictures are referred to by path.
    """
    named = [(section, _anchor(section.title, number)) for number, section in enumerate(sections)]
    return Template(_asset("page.html")).substitute(
        title=escape(title),
        style=_asset("style.css"),
        script=_asset("tables.js"),
        contents="\n".join(
            f'<li><a href="#{anchor}">{escape(section.title)}</a></li>'
            for section, anchor in named
            if section.title
        ),
        sections="\n".join(_section(section, anchor) for section, anchor in named),
    )


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _anchor(title: str, number: int) -> str:
    return f"{number}-{re.sub('[^a-z0-9]+', '-', title.lower()).strip('-')}"


def _section(section: Section, anchor: str) -> str:
    heading = f"<h2>{escape(section.title)}</h2>\n" if section.title else ""
    return f'<section id="{anchor}">\n{heading}{"".join(_parts(section.parts))}</section>'


def _parts(parts: Iterable[str | Picture]) -> Iterable[str]:
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    for part in parts:
        if isinstance(part, Picture):
            yield _figure(part, reader)
        else:
            tables = reader.render(part).replace("<table>", '<div class="wide"><table>')
            yield tables.replace("</table>", "</table></div>")


def _figure(picture: Picture, reader: MarkdownIt) -> str:
    paths = (*picture.files, *([picture.numbers] if picture.numbers else []))
    links = " ".join(f'<a href="{escape(path)}">{escape(path.rpartition(".")[2])}</a>' for path in paths)
    caption = reader.renderInline(picture.caption)
    shown = ""
    if picture.files:
        best = escape(picture.files[0])
        shown = f'<a href="{best}"><img src="{best}" alt="{escape(picture.title)}" loading="lazy"></a>\n'
    return (
        f'<figure>\n{shown}<figcaption>{caption} <span class="files">{links}</span></figcaption>\n</figure>\n'
    )
