"""Pages: the same sections as Markdown and as HTML that works from disk."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.base import Scope
from taskgrove.reports.pages.choice import FORMATS, Choice
from taskgrove.reports.pages.html import as_html
from taskgrove.reports.pages.markdown import as_markdown
from taskgrove.reports.pages.report import write_report
from taskgrove.reports.pages.section import Picture, Section, grid
from taskgrove.testing.systems import synthetic_system

PICTURE = Picture(
    title="A <graph>",
    caption="Lines are *tasks*.",
    files=("pictures/graph.svg", "pictures/graph.png"),
    numbers="tables/graph.csv",
)
SECTIONS = (
    Section(title="", parts=("Two tasks.",)),
    Section(
        title="Variants & <seeds>",
        parts=(grid(("variant", "test %"), [("s = 0.3 | <b>", "71.2 ± 0.4")], numbers=True), PICTURE),
    ),
)
VOID = {"meta", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """What a browser finds: references, anchors, and whether all elements are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.references.append(value)
            if name == "id" and value:
                self.ids.add(value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_markdown_shows_png_and_links_the_numbers() -> None:
    assert as_markdown("All", SECTIONS) == (
        "# All\n\nTwo tasks.\n\n## Variants & <seeds>\n\n"
        "| variant | test % |\n| --- | ---: |\n| s = 0.3 \\| <b> | 71.2 ± 0.4 |\n\n"
        "![A <graph>](pictures/graph.png)\n\n"
        "Lines are *tasks*. Numbers: [`tables/graph.csv`](tables/graph.csv).\n"
    )


def test_html_shows_svg_and_takes_no_markup_from_texts() -> None:
    text = as_html("All <tasks>", SECTIONS)
    page = Page(text)
    assert page.open == []
    assert '<img src="pictures/graph.svg" alt="A &lt;graph&gt;"' in text
    assert "<title>All &lt;tasks&gt;</title>" in text
    assert "s = 0.3 | &lt;b&gt;" in text
    assert "Lines are <em>tasks</em>." in text
    anchors = [reference[1:] for reference in page.references if reference.startswith("#")]
    assert len(anchors) == 1
    assert set(anchors) <= page.ids


def test_html_needs_nothing_but_its_own_folder(tmp_path: Path) -> None:
    view, history, evaluations = synthetic_system(2, 1)
    run = Run(view=view, history=history, evaluations=evaluations)
    index, *_ = write_report(tmp_path, run, "Two", Choice.of(formats=("html", "svg", "csv")))
    text = index.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    paths = [reference for reference in page.references if not reference.startswith("#")]
    assert paths
    assert all((tmp_path / path).is_file() for path in paths)
    assert {reference[1:] for reference in page.references if reference.startswith("#")} <= page.ids
    assert not re.search(r"https?://(?!www\.w3\.org)|url\(|@import|fetch\(|XMLHttpRequest", text)


def test_a_report_without_any_file_is_refused(tmp_path: Path) -> None:
    view, history, evaluations = synthetic_system(1, 1)
    run = Run(view=view, history=history, evaluations=evaluations)
    with pytest.raises(BadValueError, match=r"A report of graph in the formats gif has no file\. Ask for"):
        write_report(tmp_path / "none", run, "None", Choice.of(["graph"], ["gif"]))
    assert not (tmp_path / "none").exists()


def test_a_choice_is_told_in_words() -> None:
    assert Choice.of() == Choice(only=(), formats=frozenset(FORMATS))
    chosen = Choice.of(["graph, cost", "graph"], ["svg,csv"])
    assert (chosen.only, chosen.formats) == (("graph", "cost"), frozenset({"svg", "csv"}))
    assert [chart.name for chart in chosen.charts((), Scope.SYSTEM)] == ["graph", "cost"]


def test_a_chart_of_something_else_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"no chart of one system named 'pareto'.*graph"):
        Choice.of(["pareto"]).charts((), Scope.SYSTEM)
    with pytest.raises(UnknownNameError, match=r"no chart named 'grpah'. Did you mean 'graph'"):
        Choice.of(["grpah"])
    with pytest.raises(UnknownNameError, match=r"no format of a report named 'pdf'"):
        Choice.of(formats=["pdf"])


def test_an_animation_among_stills_leaves_no_caption_behind(tmp_path: Path) -> None:
    view, history, evaluations = synthetic_system(1, 1)
    run = Run(view=view, history=history, evaluations=evaluations)
    choice = Choice.of(["growth", "graph"], ["md", "svg"])
    page = write_report(tmp_path, run, "Two", choice)[0].read_text(encoding="utf-8")
    assert "## Multitask graph" in page
    assert "growing" not in page
    text = write_report(tmp_path, run, "Text", Choice.of(formats=["md"]))[0].read_text(encoding="utf-8")
    assert "## Search\n\n| task |" in text
    assert "## Accuracy and cost" not in text
