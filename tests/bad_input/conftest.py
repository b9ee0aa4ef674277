"""A tiny grown system, made once per process; every test works on its own copy."""

from __future__ import annotations

import shutil
from contextlib import chdir
from pathlib import Path

import pytest

from tests.bad_input.refusals import GROW, done, good_arrays, save_npz


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system `grove` with one grown task `a` from `good.npz`."""
    folder = tmp_path_factory.mktemp("template")
    save_npz(folder / "good.npz", good_arrays())
    with chdir(folder):
        done("init grove --root vit-tiny-test")
        done("task add grove a npz:good.npz")
        done(f"grow grove {GROW}")
    return folder


@pytest.fixture
def place(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a test: a copy of the template, in which commands run."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
