"""The page on roots names every root and every key of a recipe."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields

import pytest

from taskgrove.experiment.pretraining.spec import PretrainSpec
from taskgrove.experiment.roots import ROOTS
from tests.docs.markdown_blocks import DOCS

PAGE = (DOCS / "roots.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("field", fields(PretrainSpec), ids=lambda field: field.name)
def test_every_key_of_a_recipe_is_described_with_its_default(field: Field[object]) -> None:
    default = "required" if field.default is MISSING else f"`{field.default}`"
    assert f"\n| `{field.name}` | {default} | " in PAGE


@pytest.mark.parametrize("name", list(ROOTS))
def test_every_root_is_described(name: str) -> None:
    assert f"`{name}` | " in PAGE
