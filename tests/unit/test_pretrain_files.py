"""A pretraining from its recipe to its files: provenance, checkpoints, and what is refused at once."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import taskgrove
from taskgrove.backbones.base import Tensors
from taskgrove.backbones.families import family_of
from taskgrove.backbones.families.vit.family import VitFamily
from taskgrove.domain.errors import (
    BadValueError,
    DuplicateNameError,
    StorageAccessError,
    TaskDataError,
    UnknownNameError,
    WeightsError,
)
from taskgrove.domain.ids import SlotName
from taskgrove.experiment.pretraining import pretrain as module
from taskgrove.experiment.pretraining.files import replace_file
from taskgrove.experiment.pretraining.pretrain import pretrain
from taskgrove.experiment.pretraining.spec import PretrainSpec, digest, read_recipe
from taskgrove.experiment.spec import TaskEntry
from taskgrove.trainer.pretrain import Pretraining
from taskgrove.version import __version__

pytestmark = pytest.mark.usefixtures("threads")  # which a pretraining sets

DIGITS = TaskEntry(name="digits", source="glyphs:digits?per_class=3&size=12")
SPEC = PretrainSpec(
    member="vit-tiny-test",
    tasks=(DIGITS,),
    steps=12,
    resolution=8,
    batch_size=8,
    report_every=5,
    checkpoint_every=4,
    precision="fp32",
    threads=1,
)


class Killed(Exception):
    pass


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "root.safetensors"


def kill_at(step: int) -> Any:
    def watch(run: Pretraining) -> None:
        if run.step == step:
            raise Killed

    return watch


def files(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def font_folder(folder: Path, manifest: str) -> TaskEntry:
    """A task of three fonts with a manifest."""
    shipped = Path(matplotlib.get_data_path(), "fonts", "ttf")
    for name in ("DejaVuSans", "DejaVuSerif", "STIXGeneral"):
        shutil.copy(shipped / f"{name}.ttf", folder)
    (folder / "fonts.json").write_text(manifest, encoding="utf-8")
    return TaskEntry(name="latin", source=f"fonts:latin_lower@{folder}?size=12")


def test_weights_provenance_and_curve_are_written(out: Path) -> None:
    pretrain(SPEC, out, recipe="the text", commit="abc123")
    assert set(files(out.parent)) == {"root.safetensors", "root.json", "root.png"}
    said = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert said["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert [point["step"] for point in said["curve"]] == [5, 10, 12]
    assert said["tasks"] == {"digits": {"classes": 10, "images": 30}}
    expected = {
        "member": "vit-tiny-test",
        "commit": "abc123",
        "recipe": "the text",
        "code_version": __version__,
        "torch": torch.__version__,
        "seed": 0,
        "steps": 12,
        "samples": 96,
        "precision": "fp32",
        "fonts": {},
    }
    assert {name: said[name] for name in expected} == expected
    with Image.open(out.with_suffix(".png")) as picture:
        assert picture.size == (500, 300)


def test_the_weights_start_a_system(out: Path) -> None:
    pretrain(SPEC, out)
    tensors = load_file(out)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    assert not [name for name in tensors if name.startswith("head")]
    grove = taskgrove.create(out.parent / "grove", root="vit-tiny-test", weights=str(out))
    assert grove.view().roots


def test_a_root_can_be_trained_at_another_resolution(out: Path) -> None:
    pretrain(replace(SPEC, resolution=16), out)
    assert load_file(out)["pos_embed"].shape == (1, 17, 16)
    read = family_of("vit-tiny-test").read_weights(out, "vit-tiny-test")
    assert read[SlotName("pos")]["embedding"].shape == (5, 16)


@pytest.mark.parametrize("steps", [range(3, 4), range(4, 13, 4), range(5, 13)])
def test_an_interrupted_pretraining_is_continued(steps: range, out: Path, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    pretrain(SPEC, tmp_path / "whole" / out.name)
    for step in steps:
        with pytest.raises(Killed):
            pretrain(SPEC, out, watch=kill_at(step))
        assert not out.exists()
    pretrain(SPEC, out)
    assert files(tmp_path) == files(tmp_path / "whole")


@pytest.mark.parametrize("num_written", [0, 1, 2])
def test_an_end_that_was_interrupted_is_repeated(
    num_written: int, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    pretrain(SPEC, tmp_path / "whole" / out.name)
    left = [None] * num_written

    def failing(path: Path, data: bytes) -> None:
        if not left:
            raise Killed
        left.pop()
        replace_file(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(module, "replace_file", failing)
        with pytest.raises(Killed):
            pretrain(SPEC, out)
    pretrain(SPEC, out)
    assert files(tmp_path) == files(tmp_path / "whole")


def test_the_checkpoint_of_another_recipe_is_refused(out: Path) -> None:
    with pytest.raises(Killed):
        pretrain(SPEC, out, watch=kill_at(5))
    for other in (replace(SPEC, lr=0.5), replace(SPEC, tasks=(replace(DIGITS, source="glyphs:greek"),))):
        with pytest.raises(BadValueError, match="checkpoint of another recipe, other data"):
            pretrain(other, out)
    pretrain(replace(SPEC, checkpoint_every=100), out)  # how often to save is free
    assert out.exists()


def test_a_damaged_checkpoint_is_refused(out: Path) -> None:
    out.with_name("root.safetensors.checkpoint").write_bytes(b"nonsense")
    with pytest.raises(BadValueError, match=r"root\.safetensors\.checkpoint cannot be read .* remove it"):
        pretrain(SPEC, out)


def test_what_is_not_written_whole_is_removed(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        pretrain(SPEC, out)
    assert not files(out.parent)


@pytest.mark.parametrize("name", ["root.safetensors", "root.json", "root.png"])
def test_nothing_is_overwritten(name: str, out: Path) -> None:
    (out.parent / name).write_bytes(b"precious")
    with pytest.raises(BadValueError, match=f"{name} exists already and is never overwritten"):
        pretrain(SPEC, out)


def test_a_folder_that_cannot_be_written_to_is_refused_at_once(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # tests may run as root, who may do anything
    with pytest.raises(StorageAccessError, match=r"cannot be written to\. Check who owns it"):
        pretrain(SPEC, out, watch=kill_at(1))


def test_a_family_that_cannot_be_written_is_refused_before_training(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: VitFamily, components: Mapping[SlotName, Tensors], member: str) -> bytes:
        raise WeightsError(f"{member} has no file format.")

    monkeypatch.setattr(VitFamily, "write_weights", refuse)
    with pytest.raises(WeightsError, match="no file format"):
        pretrain(SPEC, out, watch=kill_at(1))


def test_diverged_training_is_explained(out: Path) -> None:
    with pytest.raises(BadValueError, match=r"Pretraining diverged: .* Lower lr or raise warmup"):
        pretrain(replace(SPEC, lr=1e30, warmup=0.0), out)


def test_the_fonts_are_named_with_their_licences(out: Path, tmp_path: Path) -> None:
    said = {"package": "dejavu", "version": "2.37", "licence": "OFL-1.1"}
    manifest = {
        "DejaVuSans.ttf": said,
        "DejaVuSerif.ttf": said,
        "STIXGeneral.ttf": {**said, "package": "stix"},
    }
    spec = replace(SPEC, tasks=(DIGITS, font_folder(tmp_path, json.dumps(manifest))))
    pretrain(spec, out)
    fonts = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["fonts"]
    assert fonts == {
        "dejavu": {"version": "2.37", "licence": "OFL-1.1", "files": 2},
        "stix": {"version": "2.37", "licence": "OFL-1.1", "files": 1},
    }


@pytest.mark.parametrize("manifest", ["nonsense", "[1]", '{"a.ttf": {"package": "a"}}', '{"a.ttf": 3}'])
def test_a_manifest_that_cannot_be_understood_is_refused_at_once(
    manifest: str, out: Path, tmp_path: Path
) -> None:
    spec = replace(SPEC, tasks=(font_folder(tmp_path, manifest),))
    with pytest.raises(TaskDataError, match=r"fonts\.json should say package, version and licence"):
        pretrain(spec, out, watch=kill_at(1))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 0}, "steps must be more than 0, got 0"),
        ({"lr": float("nan")}, "lr must be more than 0, got nan"),
        ({"weight_decay": -0.1}, "weight_decay must not be negative, got -0.1"),
        ({"threads": -1}, "threads must not be negative, got -1"),
        ({"warmup": 1.0}, "warmup is a share and must be at least 0 and below 1, got 1.0"),
        ({"strength": 1.5}, "strength must be from 0 to 1, got 1.5"),
        ({"precision": "fp16"}, "precision must be auto, fp32, bf16, got 'fp16'"),
        ({"tasks": ()}, "tasks is empty"),
    ],
)
def test_impossible_values_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadValueError, match=said):
        replace(SPEC, **changes)


def test_a_task_named_twice_is_refused() -> None:
    with pytest.raises(DuplicateNameError, match="digits is named more than once"):
        replace(SPEC, tasks=(DIGITS, DIGITS))


def test_a_recipe_names_its_folders_by_environment_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        'member = "vit-ti3"\nsteps = 5\ntasks = [{ name = "thai", source = "fonts:thai@${SOME_FONTS}" }]\n'
    )
    with pytest.raises(BadValueError, match="environment variable SOME_FONTS, which is not set"):
        read_recipe(path)
    monkeypatch.setenv("SOME_FONTS", "/fonts")
    assert read_recipe(path).tasks == (TaskEntry(name="thai", source="fonts:thai@/fonts"),)


def test_the_shipped_roots_recipe_is_of_enough_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROVE_FONTS", "/fonts")
    spec = read_recipe(Path(__file__).parents[2] / "recipes" / "pretrain_glyphs.toml")
    assert spec.member == "vit-ti3"
    assert len(spec.tasks) >= 20
    assert all(task.source.startswith("fonts:") for task in spec.tasks)


def test_all_that_decides_the_bytes_is_in_the_digest() -> None:
    reference = digest(SPEC, "fp32", 1)
    for changed in (replace(SPEC, seed=1), replace(SPEC, steps=13), replace(SPEC, strength=0.5)):
        assert digest(changed, "fp32", 1) != reference
    assert digest(SPEC, "bf16", 1) != reference
    assert digest(SPEC, "fp32", 2) != reference
    assert digest(replace(SPEC, device="cuda", checkpoint_every=9), "fp32", 1) == reference


def test_an_unknown_backbone_is_refused(out: Path) -> None:
    with pytest.raises(UnknownNameError, match="no backbone named 'vit-huge'"):
        pretrain(replace(SPEC, member="vit-huge"), out)
