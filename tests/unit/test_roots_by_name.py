"""Where a root's weights may come from: random, a shipped root, a file, the hub; and what else is said."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

import taskgrove
from taskgrove.backbones.families import family_of
from taskgrove.domain.errors import MissingExtraError, UnknownNameError, WeightsError
from taskgrove.domain.ids import ComponentId
from taskgrove.experiment import roots
from taskgrove.experiment.roots import ROOTS, weights_file
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec, RootSpec, TaskEntry, TrainSpec
from tests.unit.plain_vit import save_timm, tiny_plain_vit

MEMBER = "vit-tiny-test"
REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that ships `glyphs` for the tiny member."""
    save_timm(tiny_plain_vit(), tmp_path / "glyphs.safetensors")
    (tmp_path / "glyphs.json").write_text(json.dumps({"member": MEMBER}), encoding="utf-8")
    monkeypatch.setattr(roots, "HOME", tmp_path)
    return tmp_path


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's library without a network, with a cache that holds two files of `someone/tiny`."""
    pytest.importorskip("huggingface_hub")
    repo = tmp_path / "cache" / "models--someone--tiny"
    snapshot = repo / "snapshots" / REVISION
    (snapshot / "weights").mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(REVISION)
    save_timm(tiny_plain_vit(), snapshot / "model.safetensors")
    save_timm(tiny_plain_vit(), snapshot / "weights" / "other.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def found(text: str | None, member: str = MEMBER) -> Path | None:
    return weights_file(RootSpec(member=member, weights=text))


def components(path: Path, weights: str | None, seed: int = 0) -> list[ComponentId]:
    """Of the root of a new system."""
    grove = taskgrove.create(path, root=MEMBER, weights=weights, seed=seed)
    view = grove.view()
    return [component.id for component in view.models[view.roots[0]].components]


@pytest.mark.parametrize("text", [None, "random"])
def test_nothing_and_random_mean_random_initialisation(text: str | None, tmp_path: Path) -> None:
    assert found(text) is None
    first, other = (components(tmp_path / str(seed), text, seed) for seed in (0, 1))
    assert first != other


def test_random_may_be_said_or_left_out(tmp_path: Path) -> None:
    assert components(tmp_path / "said", "random") == components(tmp_path / "left out", None)


def test_a_shipped_root_is_found_by_name(home: Path, tmp_path: Path) -> None:
    assert found("glyphs") == home / "glyphs.safetensors"
    shipped = components(tmp_path / "a", "glyphs")
    assert shipped == components(tmp_path / "b", str(home / "glyphs.safetensors"))
    assert shipped != components(tmp_path / "c", None)


@pytest.mark.usefixtures("home")
def test_a_shipped_root_starts_no_other_backbone() -> None:
    with pytest.raises(WeightsError, match="'glyphs' is a vit-tiny-test and cannot start a vit-ti3"):
        found("glyphs", "vit-ti3")


@pytest.mark.parametrize("missing", ["glyphs.safetensors", "glyphs.json"])
def test_a_shipped_root_that_is_absent_is_explained(missing: str, home: Path) -> None:
    (home / missing).unlink()
    with pytest.raises(WeightsError, match=r"'glyphs' is not in this copy .* recipes/pretrain_glyphs\.toml"):
        found("glyphs")


def test_a_run_can_be_continued_whatever_its_root_is_called(home: Path, tmp_path: Path) -> None:
    numbers = []
    for weights in ("glyphs", str(home / "glyphs.safetensors")):
        spec = ExperimentSpec(
            name="x",
            root=RootSpec(member=MEMBER, weights=weights),
            agent=AgentSpec(method="multi_head", iterations=1, options={"replicas": 1}),
            train=TrainSpec(cycles=1, batch_size=8, threads=1),
            tasks=(TaskEntry(name="digits", source="glyphs:digits?per_class=3&size=12"),),
        )
        numbers.append(taskgrove.run(spec, tmp_path / "grove").view().number)
    assert numbers[0] == numbers[1] > 1


@pytest.mark.parametrize("text", ["w.safetensors", "some/folder/w", "/w", "missing.npz"])
def test_what_looks_like_a_path_is_one(text: str) -> None:
    assert found(text) == Path(text)


def test_a_file_without_ending_is_a_path_when_it_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights").write_bytes(b"")
    assert found("weights") == Path("weights")


def test_the_home_folder_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert found("~/w.npz") == Path("/home/someone/w.npz")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"no root named 'glyfs'. Did you mean 'glyphs'\?") as caught:
        found("glyfs")
    assert all(name in str(caught.value) for name in (*ROOTS, "path", "hub:<owner>/<repo>"))


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("hub:someone/tiny", "model.safetensors"),
        ("hub:someone/tiny/weights/other.safetensors", "weights/other.safetensors"),
    ],
)
def test_the_hubs_cache_is_used_without_a_network(text: str, file: str, tmp_path: Path) -> None:
    expected = tmp_path / "cache" / "models--someone--tiny" / "snapshots" / REVISION / file
    assert found(text) == expected
    assert components(tmp_path / "a", text) == components(tmp_path / "b", str(expected))


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hub:someone/else", r"model\.safetensors of someone/else cannot be fetched .* offline"),
        ("hub:someone/tiny/no.npz", r"no\.npz of someone/tiny cannot be fetched"),
        ("hub:some one/ti ny", "some one/ti ny cannot be fetched .* Check the name"),
        ("hub:someone", r"names no repository; write hub:<owner>/<repo>\[/<file>\]"),
        ("hub:", "names no repository"),
    ],
)
def test_what_the_hub_does_not_have_is_explained(text: str, said: str) -> None:
    with pytest.raises(WeightsError, match=said):
        found(text)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'taskgrove\[hub\]'"):
        found("hub:someone/tiny")


@pytest.mark.parametrize("member", [MEMBER, "vit-ti3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_are_written_are_read_back(member: str, dtype: torch.dtype, tmp_path: Path) -> None:
    family = family_of(member)
    layout, hparams = family.layout(member), family.space(member).defaults()
    generator = torch.Generator().manual_seed(0)
    shapes = {name: layout.slot(name, hparams, 5).shapes for name in layout.root_slots()}
    written = {
        slot: {name: torch.randn(shape, generator=generator).to(dtype) for name, shape in tensors.items()}
        for slot, tensors in shapes.items()
    }
    path = tmp_path / "root.safetensors"
    path.write_bytes(family.write_weights(written, member))
    read = family.read_weights(path, member)
    assert list(read) == list(written)[:-1]
    for slot, tensors in read.items():
        assert tensors.keys() == written[slot].keys()
        assert all(torch.equal(tensor, written[slot][name].float()) for name, tensor in tensors.items())
    num_params = sum(t.numel() for slot in read for t in read[slot].values())
    assert 0 < path.stat().st_size - num_params * dtype.itemsize < 5000
