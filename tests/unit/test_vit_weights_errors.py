"""A weights file that does not fit is refused with the reason and the way out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from taskgrove.backbones.families import family_of
from taskgrove.domain.errors import UnknownNameError, WeightsError
from taskgrove.domain.ids import SlotName
from tests.unit.plain_vit import PlainVit, augreg_arrays, save_augreg, save_timm, tiny_plain_vit


def read(path: Path, member: str = "vit-tiny-test") -> dict[SlotName, dict[str, Tensor]]:
    return family_of(member).read_weights(path, member)


@pytest.fixture
def timm(tmp_path: Path) -> Path:
    return save_timm(tiny_plain_vit(), tmp_path / "w.safetensors")


@pytest.fixture
def augreg(tmp_path: Path) -> Path:
    return save_augreg(tiny_plain_vit(), tmp_path / "w.npz")


def test_an_unknown_member(timm: Path) -> None:
    with pytest.raises(UnknownNameError, match="vit-xl"):
        family_of("vit-b").read_weights(timm, "vit-xl")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder.npz"
    folder.mkdir()
    for path in (tmp_path / "absent.npz", folder):
        with pytest.raises(WeightsError, match="no weights file at"):
            read(path)


def test_an_unknown_ending(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"anything")
    with pytest.raises(WeightsError, match=r"'\.pth'.*never read"):
        read(path)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.99])
def test_a_file_that_is_cut_off(timm: Path, augreg: Path, kept: float) -> None:
    for path in (timm, augreg):
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * kept)])
        with pytest.raises(WeightsError, match="cut off or damaged") as error:
            read(path)
        assert error.value.__cause__ is not None


def test_a_damaged_archive(augreg: Path) -> None:
    damaged = bytearray(augreg.read_bytes())
    damaged[300] ^= 0xFF
    augreg.write_bytes(damaged)
    with pytest.raises(WeightsError, match="CRC"):
        read(augreg)


def test_pickled_arrays_are_never_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", cls=np.array([{"run": "me"}], dtype=object))
    with pytest.raises(WeightsError, match="allow_pickle"):
        read(tmp_path / "w.npz")


def test_a_single_array_is_no_archive(tmp_path: Path) -> None:
    with (tmp_path / "w.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(WeightsError, match="not an archive"):
        read(tmp_path / "w.npz")


def test_missing_tensors_are_listed(timm: Path) -> None:
    tensors = load_file(timm)
    del tensors["blocks.1.mlp.fc1.bias"], tensors["cls_token"]
    save_file(tensors, timm)
    with pytest.raises(WeightsError, match=r"cls_token is missing, blocks\.1\.mlp\.fc1\.bias is missing\. "):
        read(timm)


def test_a_long_list_is_cut_and_counted(tmp_path: Path) -> None:
    path = save_timm(tiny_plain_vit(depth=1), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"blocks\.1\.norm1\.weight is missing.* and 6 more"):
        read(path)


def test_names_of_another_library(tmp_path: Path) -> None:
    save_file({"vit.embeddings.cls_token": torch.zeros(1, 1, 16)}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"vit\.embeddings\.cls_token.*named by another library"):
        read(tmp_path / "w.safetensors")


def test_a_tensor_that_would_change_the_function_is_not_left_out(timm: Path) -> None:
    save_file(load_file(timm) | {"blocks.0.ls1.gamma": torch.ones(16)}, timm)
    with pytest.raises(WeightsError, match=r"blocks\.0\.ls1\.gamma.*another architecture"):
        read(timm)


def test_the_head_is_ignored_whatever_it_holds(augreg: Path) -> None:
    arrays = augreg_arrays(tiny_plain_vit())
    extra = {"head/kernel": np.full((9, 9), np.nan), "pre_logits/kernel": np.zeros((16, 16))}
    np.savez(augreg, allow_pickle=False, **arrays | extra)
    assert SlotName("head") not in read(augreg)


@pytest.mark.parametrize("name", ["w.safetensors", "w.npz"])
def test_weights_of_another_size_name_the_one_that_fits(name: str, tmp_path: Path) -> None:
    vit = PlainVit(width=192, depth=12, heads=3, inner=768, patch=16, grid=2)
    path = (save_augreg if name.endswith("npz") else save_timm)(vit, tmp_path / name)
    wanted = r"has shape .*192.* instead of .*768.*It fits vit-ti3 and vit-ti\."
    with pytest.raises(WeightsError, match=wanted):
        read(path, "vit-b")


def test_weights_of_no_known_size_say_so(tmp_path: Path) -> None:
    vit = PlainVit(width=24, depth=2, heads=2, inner=48, patch=4, grid=2)
    with pytest.raises(WeightsError, match="fits no other size"):
        read(save_timm(vit, tmp_path / "w.safetensors"))


def test_values_that_are_not_finite(timm: Path) -> None:
    tensors = load_file(timm)
    tensors["blocks.1.norm2.bias"][3] = torch.inf
    save_file(tensors, timm)
    with pytest.raises(WeightsError, match=r"not finite in blocks\.1\.norm2\.bias"):
        read(timm)


def test_positions_without_a_class_token(timm: Path) -> None:
    save_file(load_file(timm) | {"pos_embed": torch.zeros(1, 4, 16)}, timm)
    with pytest.raises(WeightsError, match=r"position embedding .* 4 rows"):
        read(timm)
