"""The pages on extension points: each shows a whole plug-in, which conforms and is found."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from taskgrove.agents.methods import AGENTS
from taskgrove.backbones.families import FAMILIES
from taskgrove.coordinator.executors import EXECUTORS
from taskgrove.domain.registry import Registry
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spec import RootSpec, TrainSpec
from taskgrove.mutations.kinds import MUTATIONS
from taskgrove.store.backends import BACKENDS
from taskgrove.tasks.sources import SOURCES
from tests.docs.blocks import DOCS, as_module, blocks_of, execute

REGISTRIES: dict[str, Registry[object]] = {
    "agent": AGENTS,
    "mutation": MUTATIONS,
    "family": FAMILIES,
    "source": SOURCES,
    "backend": BACKENDS,
    "executor": EXECUTORS,
}
"""By page; an extension point without a page is a mistake."""

sys.modules["my_package"] = ModuleType("my_package")
EXAMPLES = {page: as_module(blocks_of(DOCS / "extend" / f"{page}.md", "python")[0]) for page in REGISTRIES}
for _page in REGISTRIES:
    _module = as_module(blocks_of(DOCS / "extend" / f"{_page}.md", "python")[-1])
    # pytest collects the suites of the pages as if they stood here
    globals().update({name: case for name, case in vars(_module).items() if name.startswith("Test")})


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
def test_the_page_names_the_file_and_the_registry(page: str) -> None:
    text = (DOCS / "extend" / f"{page}.md").read_text(encoding="utf-8")
    home = next(
        line for line in text.splitlines() if line.startswith("In Taskgrove: ")
    ).partition("`taskgrove/")[2].partition("`")[0]
    assert (DOCS.parent / "taskgrove" / home).parent.joinpath("__init__.py").exists()


@pytest.mark.usefixtures("installed")
def test_all_examples_work_together(tmp_path: Path) -> None:
    backend = vars(EXAMPLES["backend"])["SqliteBackend"](tmp_path / "grove.sqlite")
    grove = Grove.create(backend, RootSpec(member="pixelmlp-tiny"))
    grove.add_task("corners", "blobs:40")
    train = TrainSpec(cycles=2, batch_size=8, threads=1)
    grove.grow(
        agent="one_change", executor="background", iterations=2, train=train, options={"children": 3}
    )
    assert grove.evaluate("corners").accuracy > 0.9


def test_the_backend_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (use,) = (b for b in blocks_of(DOCS / "extend" / "backend.md", "python") if b.title == "use")
    execute(use, {})
    assert (tmp_path / "grove.sqlite").exists()
