"""The pages on extension points: each shows a whole plug-in, which conforms and is found."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import taskgrove
from taskgrove.agents.methods import AGENTS
from taskgrove.backbones.families import FAMILIES
from taskgrove.coordinator.executors import EXECUTORS
from taskgrove.domain.registry import Registry
from taskgrove.experiment.spec import TrainSpec
from taskgrove.mutations.kinds import MUTATIONS
from taskgrove.reports.charts import CHARTS
from taskgrove.store.backends import BACKENDS
from taskgrove.tasks.sources import SOURCES
from tests.docs.markdown_blocks import DOCS, ROOT, as_module, blocks_of

REGISTRIES: dict[str, Registry[Any]] = {
    "agent": AGENTS,
    "mutation": MUTATIONS,
    "family": FAMILIES,
    "source": SOURCES,
    "backend": BACKENDS,
    "executor": EXECUTORS,
    "chart": CHARTS,
}
"""By page; an extension point without a page is a mistake."""

EXAMPLES = {page: as_module(blocks_of(DOCS / "extend" / f"{page}.md", "python")[0]) for page in REGISTRIES}


def suites() -> dict[str, object]:
    """The tests of all pages."""
    modules = (as_module(blocks_of(DOCS / "extend" / f"{page}.md", "python")[-1]) for page in REGISTRIES)
    return {name: case for m in modules for name, case in vars(m).items() if name.startswith("Test")}


globals().update(suites())  # pytest collects them as if they stood here


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, str]]:
    """The entry points of all pages, as if a package that declares them were installed.

    Returns:
        Name and object of each, by page.
    """
    entries: dict[str, tuple[str, str]] = {}
    lines: list[str] = []
    for page in REGISTRIES:
        (block,) = blocks_of(DOCS / "extend" / f"{page}.md", "toml")
        ((group, points),) = tomllib.loads(block.code)["project"]["entry-points"].items()
        (entries[page],) = points.items()
        lines += [f"[{group}]", " = ".join(entries[page])]
    info = tmp_path / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    return entries


def test_every_extension_point_has_a_page() -> None:
    assert {path.stem for path in (DOCS / "extend").glob("*.md")} == set(REGISTRIES)


@pytest.mark.parametrize("page", sorted(REGISTRIES))
def test_the_example_is_found_by_its_entry_point(page: str, installed: dict[str, tuple[str, str]]) -> None:
    name, target = installed[page]
    module, _, attribute = target.partition(":")
    assert EXAMPLES[page].__name__ == module
    assert name in REGISTRIES[page]
    assert REGISTRIES[page][name] is vars(EXAMPLES[page])[attribute]


@pytest.mark.parametrize("page", sorted(REGISTRIES))
def test_the_page_names_the_folder_of_the_registry(page: str) -> None:
    text = (DOCS / "extend" / f"{page}.md").read_text(encoding="utf-8")
    place = re.search(r"^In Taskgrove: `(taskgrove/[^`]*)/\w+\.py`", text, re.MULTILINE)
    assert place is not None
    assert "Registry[" in (ROOT / place[1] / "__init__.py").read_text(encoding="utf-8")
    assert f"{place[1]}/__init__.py`" in text


@pytest.mark.usefixtures("installed")
def test_all_examples_work_together(tmp_path: Path) -> None:
    place = f"sqlite:{tmp_path}/grove.sqlite"
    grove = taskgrove.create(place, root="pixelmlp-tiny")
    grove.add_task("corners", "blobs:40")
    train = TrainSpec(cycles=2, batch_size=8, threads=1)
    grove.grow(agent="one_change", executor="background", iterations=2, train=train, options={"children": 3})
    assert grove.evaluate("corners").accuracy > 0.9
    assert taskgrove.open(place, writable=False).view() == grove.view()
