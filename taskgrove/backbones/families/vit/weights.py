"""Root models from public weights: timm's safetensors and AugReg's npz, checked before use."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.lib.npyio import NpzFile
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from taskgrove.backbones.families.vit.foreign import AUGREG, TIMM, Format, Source
from taskgrove.backbones.families.vit.layout import VitLayout
from taskgrove.backbones.families.vit.members import LAYOUTS, space_of
from taskgrove.backbones.families.vit.positions import resample
from taskgrove.domain.errors import BadValueError, WeightsError
from taskgrove.domain.ids import SlotName

_DAMAGE = (SafetensorError, zipfile.BadZipFile, zlib.error, EOFError, OSError, TypeError, ValueError)
"""What reading a file raises that is cut off, altered, or holds something else than arrays."""
_LISTED = 6


def read_weights(path: Path, layout: VitLayout) -> dict[SlotName, dict[str, Tensor]]:
    """The components of a root model, without the head.

    A deeper file is cut: T3 is the first three of Ti/16's twelve blocks. Position embeddings are
    resampled to the member's default resolution.

    Args:
        path: A `.safetensors` file with timm's names or an `.npz` file of AugReg.
        layout: The member to fill.

    Raises:
        WeightsError: The file is missing, unreadable, of another format, or does not fit the member.
    """
    file_format, tensors = _load(path)
    sources = file_format.sources(layout)
    _refuse_foreign(path, file_format, layout, tensors)
    _refuse_unfit(path, file_format, layout, tensors)
    _refuse_non_finite(path, sources, tensors)
    try:
        return _convert(layout, sources, tensors)
    except BadValueError as error:
        raise WeightsError(
            f"The position embedding of {path} does not fit {layout.member}: {error}"
        ) from error


def _load(path: Path) -> tuple[Format, dict[str, Tensor]]:
    if not path.is_file():
        raise WeightsError(f"There is no weights file at {path}; check the path or download the file first.")
    try:
        match path.suffix.lower():
            case ".safetensors":
                return TIMM, load_file(path)
            case ".npz":
                return AUGREG, _load_npz(path)
    except _DAMAGE as error:
        raise WeightsError(
            f"{path} cannot be read ({type(error).__name__}: {error}); it is probably cut off or damaged. "
            "Download it again and compare its size with the original's."
        ) from error
    raise WeightsError(
        f"{path} has the ending {path.suffix!r}, but weights are read from .safetensors (timm) "
        "and .npz (AugReg). Pickled checkpoints can run code and are never read: convert them first."
    )


def _load_npz(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:  # given a path, NumPy leaves a damaged archive open
        loaded = np.load(file, allow_pickle=False)
        if not isinstance(loaded, NpzFile):
            raise ValueError("a single array, not an archive of named arrays")
        return {name: torch.from_numpy(loaded[name]) for name in loaded.files}


def _refuse_foreign(path: Path, form: Format, layout: VitLayout, tensors: Mapping[str, Tensor]) -> None:
    """Refuse files of another architecture; what would be left out might matter to its function."""
    known = {_pattern(name) for source in form.sources(layout) for name in source.names}
    strange = [n for n in tensors if _pattern(n) not in known and not n.startswith(form.head)]
    if strange:
        raise WeightsError(
            f"{path} holds {len(strange)} tensors that a vision transformer in {form.name}'s naming does not "
            f"have: {_listed(strange)}. It is probably another architecture or named by another library."
        )


def _refuse_unfit(path: Path, form: Format, layout: VitLayout, tensors: Mapping[str, Tensor]) -> None:
    problems = _problems(form.sources(layout), tensors)
    if problems:
        fitting = [name for name, other in LAYOUTS.items() if not _problems(form.sources(other), tensors)]
        advice = f"It fits {' and '.join(fitting)}" if fitting else "It fits no other size either"
        raise WeightsError(f"{path} does not fit {layout.member}: {_listed(problems)}. {advice}.")


def _problems(sources: Iterable[Source], tensors: Mapping[str, Tensor]) -> list[str]:
    wanted = [(name, source) for source in sources for name in source.names]
    missing = [f"{name} is missing" for name, _ in wanted if name not in tensors]
    return missing + [
        f"{name} has shape {_shape(tensors[name].shape)} instead of {_shape(source.shape)}"
        for name, source in wanted
        if name in tensors and not source.fits(tensors[name].shape)
    ]


def _refuse_non_finite(path: Path, sources: Iterable[Source], tensors: Mapping[str, Tensor]) -> None:
    names = (name for source in sources for name in source.names)
    bad = [name for name in names if not torch.isfinite(tensors[name]).all()]
    if bad:
        raise WeightsError(
            f"{path} holds values that are not finite in {_listed(bad)}; the training that wrote it "
            "probably diverged. Use another checkpoint."
        )


def _convert(
    layout: VitLayout, sources: Iterable[Source], tensors: Mapping[str, Tensor]
) -> dict[SlotName, dict[str, Tensor]]:
    by_place = {(source.slot, source.tensor): source for source in sources}
    hparams = space_of(layout.member).defaults()
    slots = [layout.slot(name, hparams, 1) for name in layout.root_slots() if name != "head"]
    components: dict[SlotName, dict[str, Tensor]] = {}
    for slot in slots:
        components[slot.name] = {}
        for name, shape in slot.shapes.items():
            source = by_place[slot.name, name]
            tensor = source.read([tensors[n] for n in source.names], (-1, *shape[1:]))
            components[slot.name][name] = resample(tensor, shape[0]) if slot.resizable else tensor
    return components


def _pattern(name: str) -> str:
    """The name without its numbers: what the same tensor of every block is called."""
    return re.sub(r"\d+", "#", name)


def _shape(lengths: Iterable[int]) -> str:
    return "×".join("any" if length < 0 else str(length) for length in lengths)


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return ", ".join(items[:_LISTED]) + more
