"""The registered sources, and the digits that scikit-learn ships."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from taskgrove.domain.errors import MissingExtraError
from taskgrove.tasks.sources import SOURCES
from taskgrove.tasks.sources.sklearn_digits import SklearnSource


def test_the_registry_names_every_source() -> None:
    assert list(SOURCES) == [
        "arrays",
        "folder",
        "fonts",
        "glyphs",
        "hub",
        "joined",
        "npz",
        "permuted",
        "sklearn",
        "split",
        "tfds",
    ]
    assert all(source.name == name for name, source in SOURCES.items())


def test_sklearn_digits_are_real_and_use_the_whole_range() -> None:
    pytest.importorskip("sklearn")
    raw = SklearnSource().load("digits")
    assert {name: split.images.shape for name, split in raw.splits.items()} == {
        "train": (1437, 8, 8, 1),
        "test": (360, 8, 8, 1),
    }
    assert raw.splits["train"].images.max() == 255
    assert raw.splits["train"].labels[:10].tolist() == list(range(10))


def test_without_sklearn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'taskgrove\[demo\]'"):
        SklearnSource().load("digits")
