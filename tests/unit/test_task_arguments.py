"""Arguments of sources are read strictly and written in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.tasks.arguments import absolute_path, join_options, split_options, whole_number
from taskgrove.tasks.sources.folder import FolderSource
from taskgrove.tasks.sources.npz import NpzSource


def test_options_have_defaults_and_are_spelled_out() -> None:
    head, options = split_options("a/b?size=3", {"size": "1", "seed": "0"})
    assert (head, options) == ("a/b", {"size": "3", "seed": "0"})
    assert join_options(head, options) == "a/b?seed=0&size=3"
    with pytest.raises(UnknownNameError, match="Did you mean 'size'"):
        split_options("a?sise=3", {"size": "1"})
    with pytest.raises(TaskDataError, match="size=1"):
        split_options("a?size", {"size": "1"})


@pytest.mark.parametrize("value", ["", "-1", "3.5", "x", "11"])
def test_whole_numbers_are_checked(value: str) -> None:
    with pytest.raises(TaskDataError, match="whole number from 0 to 10"):
        whole_number({"n": value}, "n", 0, 10)


def test_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_path("a/../b.npz") == str(tmp_path / "b.npz")
    assert NpzSource().normalise("b.npz#greek") == f"{tmp_path / 'b.npz'}#greek"
    assert FolderSource().normalise("b") == f"{tmp_path / 'b'}?size=auto"
