"""The roots that the package holds: small, whole, of free fonts, and what their provenance says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

import taskgrove
from taskgrove.backbones.families import family_of
from taskgrove.experiment.roots import HOME, ROOTS, SHIPPED
from taskgrove.tasks.scripts import SCRIPTS

ROOT = Path(__file__).parents[2]
LARGEST = 3_000_000
"""Bytes that a shipped root may have."""


@pytest.fixture(params=sorted(SHIPPED))
def name(request: pytest.FixtureRequest) -> str:
    chosen = str(request.param)
    if not (HOME / f"{chosen}.safetensors").exists():
        pytest.skip(f"the root {chosen} is not in this checkout")
    return chosen


@pytest.fixture
def provenance(name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((HOME / f"{name}.json").read_text(encoding="utf-8"))
    return said


def test_shipped_roots_lie_where_the_wheel_takes_them_from() -> None:
    assert HOME == ROOT / "taskgrove" / "backbones" / "roots"
    assert set(SHIPPED) <= set(ROOTS) == set(taskgrove.registered("roots"))


def test_it_is_small(name: str) -> None:
    assert 100_000 < (HOME / f"{name}.safetensors").stat().st_size <= LARGEST


def test_it_has_all_tensors_and_no_head(name: str, provenance: dict[str, Any]) -> None:
    path = HOME / f"{name}.safetensors"
    with safe_open(str(path), framework="pt") as file:
        assert file.metadata() == {"member": provenance["member"]}
        names = set(file.keys())
        assert {file.get_slice(n).get_dtype() for n in names} == {"BF16"}
    assert {"cls_token", "pos_embed", "patch_embed.proj.weight", "norm.bias"} <= names
    assert not [n for n in names if n.startswith("head")]
    member = provenance["member"]
    read = family_of(member).read_weights(path, member)
    assert tuple(read) == family_of(member).layout(member).root_slots()[:-1]


def test_its_provenance_is_of_this_file(name: str, provenance: dict[str, Any]) -> None:
    data = (HOME / f"{name}.safetensors").read_bytes()
    assert provenance["sha256"] == hashlib.sha256(data).hexdigest()


def test_its_provenance_says_how_it_was_made(provenance: dict[str, Any]) -> None:
    assert {"recipe", "seed", "steps", "samples", "code_version", "commit", "torch"} <= provenance.keys()
    assert provenance["recipe"].strip()
    assert provenance["curve"][-1]["step"] == provenance["steps"]
    assert 0 < provenance["curve"][-1]["accuracy"] <= 1


def test_it_has_seen_enough_scripts(name: str, provenance: dict[str, Any]) -> None:
    tasks = provenance["tasks"]
    num_classes = sum(task["classes"] for task in tasks.values())
    assert len(tasks) >= 20
    assert num_classes >= 600
    assert all(task["classes"] == len(SCRIPTS[script]) for script, task in tasks.items())
    assert f"{num_classes:,} characters" in SHIPPED[name]
    assert f"{len(tasks)} tasks" in SHIPPED[name]


def test_every_font_is_free(provenance: dict[str, Any]) -> None:
    fonts = provenance["fonts"]
    assert sum(font["files"] for font in fonts.values()) >= 100
    assert not [name for name, font in fonts.items() if not font["licence"].startswith(("OFL", "Apache"))]
