"""What a pretraining leaves on disk: checkpoints while it runs; weights, provenance and curve at the end."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from taskgrove.domain.errors import BadValueError, TaskDataError
from taskgrove.trainer.pretrain import Point, Pretraining


def checkpoint_path(out: Path) -> Path:
    """Where the pretraining that ends in `out` keeps its checkpoint."""
    return out.with_name(out.name + ".checkpoint")


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves either the old one or the new one, whole."""
    scratch = path.with_name(path.name + ".part")
    try:
        with scratch.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def save_checkpoint(path: Path, run: Pretraining, identity: str) -> None:
    """Write all that is needed to continue, in one file.

    Args:
        path: See `checkpoint_path`.
        run: The pretraining.
        identity: Of its recipe and data.
    """
    curve = [asdict(point) for point in run.curve]
    state = {"identity": identity, "step": run.step, "loss_sum": run.loss_sum, "curve": curve}
    replace_file(path, save(run.state(), metadata={"state": json.dumps(state)}))


def load_checkpoint(path: Path, run: Pretraining, identity: str) -> bool:
    """Continue from a checkpoint, if there is one.

    Raises:
        BadValueError: It belongs to another recipe or other data, or is damaged.
    """
    if not path.exists():
        return False
    try:
        with safe_open(str(path), framework="pt") as file:
            state = json.loads((file.metadata() or {})["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise BadValueError(
            f"The checkpoint {path} cannot be read ({error}); remove it to begin again."
        ) from error
    if state["identity"] != identity:
        raise BadValueError(
            f"{path} is the checkpoint of another recipe, other data or another number of threads. Continue "
            "that one as it was, choose another --out, or remove the checkpoint to begin again."
        )
    curve = [Point(**point) for point in state["curve"]]
    run.restore(tensors, state["step"], state["loss_sum"], curve)
    return True


def fonts_of(sources: Iterable[str]) -> dict[str, Any]:
    """What the manifests of the tasks' font folders say, by package: version, licence, number of files.

    Args:
        sources: Of the tasks, e.g. `fonts:thai@/folder`; a folder's manifest, `fonts.json`, has package,
            version and licence by file name.

    Raises:
        TaskDataError: A manifest cannot be understood.
    """
    folders = {s.partition("@")[2].partition("?")[0] for s in sources if s.startswith("fonts:")}
    packages: dict[str, Any] = {}
    for manifest in sorted(Path(folder, "fonts.json").expanduser() for folder in folders):
        try:
            files = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
            for said in files.values():
                entry = {"version": said["version"], "licence": said["licence"], "files": 0}
                packages.setdefault(said["package"], entry)["files"] += 1
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise TaskDataError(
                f"{manifest} should say package, version and licence of every font file, but cannot be "
                f"understood ({type(error).__name__}: {error}). Correct it, or remove it."
            ) from error
    return packages


def sha256(data: bytes) -> str:
    """Of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def curve_png(curve: list[Point]) -> bytes:
    """Training loss and validation accuracy over the steps, as a small picture."""
    figure = Figure(figsize=(5, 3), dpi=100, layout="constrained")
    left = figure.add_subplot()
    right = left.twinx()
    steps = [point.step for point in curve]
    left.plot(steps, [point.loss for point in curve], color="tab:blue")
    right.plot(steps, [100 * point.accuracy for point in curve], color="tab:orange")
    left.set_xlabel("step")
    left.set_ylabel("training loss", color="tab:blue")
    right.set_ylabel("validation accuracy (%)", color="tab:orange")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
