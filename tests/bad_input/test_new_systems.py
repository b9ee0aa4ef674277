"""Systems that cannot be made or opened: occupied places, wrong backbones and wrong weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.bad_input.refusals import Case, Prepare, assert_refused, done, nothing, taskgrove

INIT = "init new --root vit-tiny-test"
WIDTH, MLP_WIDTH, DEPTH, PATCH = 16, 32, 2, 4


def timm_tensors() -> dict[str, torch.Tensor]:
    """Zeros by timm's names, of the shapes of vit-tiny-test."""
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, WIDTH),
        "pos_embed": (1, 5, WIDTH),
        "patch_embed.proj.weight": (WIDTH, 3, PATCH, PATCH),
        "patch_embed.proj.bias": (WIDTH,),
        "norm.weight": (WIDTH,),
        "norm.bias": (WIDTH,),
    }
    for i in range(DEPTH):
        for name, rows, columns in (
            ("attn.qkv", 3 * WIDTH, WIDTH),
            ("attn.proj", WIDTH, WIDTH),
            ("mlp.fc1", MLP_WIDTH, WIDTH),
            ("mlp.fc2", WIDTH, MLP_WIDTH),
        ):
            shapes |= {f"blocks.{i}.{name}.weight": (rows, columns), f"blocks.{i}.{name}.bias": (rows,)}
        for norm in ("norm1", "norm2"):
            shapes |= {f"blocks.{i}.{norm}.{kind}": (WIDTH,) for kind in ("weight", "bias")}
    return {name: torch.zeros(shape) for name, shape in shapes.items()}


def weights(name: str, tensor: torch.Tensor | None) -> Prepare:
    """A weights file that is right but for one tensor, which is left out when None."""

    def prepare(folder: Path) -> None:
        tensors = timm_tensors()
        del tensors[name]
        save_file(tensors if tensor is None else tensors | {name: tensor}, folder / "w.safetensors")

    return prepare


def holding(name: str, data: bytes = b"x") -> Prepare:
    def prepare(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)

    return prepare


def weights_case(
    id: str, names: str, advice: str, prepare: Prepare = nothing, file: str = "w.safetensors"
) -> Case:
    command = f"{INIT} --weights {file}"
    return Case(id=id, command=command, kind="weights", names=names, advice=advice, prepare=prepare)


def path_case(id: str, command: str, names: str, advice: str, prepare: Prepare = nothing) -> Case:
    return Case(id=id, command=command, kind="store_path", names=names, advice=advice, prepare=prepare)


CASES = [
    Case(
        id="unknown root",
        command="init new --root vit-t3",
        kind="unknown_name",
        names="'vit-t3'",
        advice="Did you mean 'vit-ti3'.* Known: ",
    ),
    weights_case("no weights", "w.safetensors", "check the path or download"),
    weights_case(
        "garbage weights", "w.safetensors", "cut off or damaged", holding("w.safetensors", b"x" * 99)
    ),
    weights_case("garbage npz", "w.npz", "cut off or damaged", holding("w.npz", b"x" * 99), "w.npz"),
    weights_case("pickled weights", "'.pt'", "Pickled .* never read", holding("w.pt"), "w.pt"),
    weights_case("missing tensor", "norm.bias is missing", "fits no other size", weights("norm.bias", None)),
    weights_case(
        "wrong size",
        "blocks.1.mlp.fc1.weight has shape 9×16 instead of 32×16",
        "fits no other size",
        weights("blocks.1.mlp.fc1.weight", torch.zeros(9, WIDTH)),
    ),
    weights_case(
        "NaN weights",
        "norm.weight",
        "not finite .* Use another checkpoint",
        weights("norm.weight", torch.full((WIDTH,), torch.nan)),
    ),
    path_case(
        "init on a system", "init grove --root vit-tiny-test", "grove", "choose another place, or open"
    ),
    path_case("init among files", INIT, "thesis.tex", "choose another place", holding("new/thesis.tex")),
    path_case(
        "init on a file", "init good.npz --root vit-tiny-test", "good.npz", "is a file; .* another path"
    ),
    path_case("no system", "status absent", "absent", "no store: .*[Cc]heck the path"),
    path_case("no system to grow", "grow absent", "absent", "no store: .*[Cc]heck the path"),
    path_case("no system to check", "check absent", "absent", "no store: .*[Cc]heck the path"),
    path_case(
        "a folder of files", "log photos", "photos", "no store: .*[Cc]heck the path", holding("photos/1.png")
    ),
    path_case("a file", "show good.npz a", "good.npz", "is a file; .* another path"),
    Case(
        id="an address that no storage has",
        command="status ftp://host/grove",
        kind="unknown_name",
        names="'ftp'",
        advice="Known: .*file, .*memory, .*s3.* write ./ before it",
    ),
    Case(
        id="a path that is too long",
        command=f"status {'x' * 300}",
        kind="environment",
        names="xxx",
        advice="too long.* Check the path",
        code=3,
    ),
]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_place_or_a_root_that_does_not_fit_is_refused(case: Case) -> None:
    assert_refused(case)
    assert not Path("absent").exists()


def test_sound_weights_are_accepted(place: Path) -> None:
    save_file(timm_tensors(), place / "w.safetensors")
    assert "w.safetensors" in done(f"{INIT} --weights w.safetensors")
    assert taskgrove("check new").code == 0
