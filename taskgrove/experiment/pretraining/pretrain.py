"""Pretrains a root from a recipe: tasks and network are built, the trainer trains, files are written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from taskgrove.backbones.assemble import Network, assemble, split
from taskgrove.backbones.families import family_of
from taskgrove.domain.errors import BadValueError, StorageAccessError
from taskgrove.domain.seeds import derive
from taskgrove.experiment.build import build_device, build_train
from taskgrove.experiment.pretraining.files import (
    checkpoint_path,
    curve_png,
    fonts_of,
    load_checkpoint,
    replace_file,
    save_checkpoint,
    sha256,
)
from taskgrove.experiment.pretraining.spec import PretrainSpec, digest
from taskgrove.experiment.spec import TrainSpec
from taskgrove.tasks.checks import check_num_classes
from taskgrove.tasks.load import fingerprint, load_task
from taskgrove.tasks.preprocess import RESOLUTION
from taskgrove.trainer.pretrain import PretrainConfig, Pretraining, Subject
from taskgrove.trainer.train import DivergedError
from taskgrove.version import __version__


def pretrain(
    spec: PretrainSpec,
    out: Path,
    *,
    recipe: str = "",
    commit: str = "",
    watch: Callable[[Pretraining], None] = lambda _: None,
    read: Callable[[str], None] = lambda _: None,
) -> None:
    """Train a root and write its weights, `<out>.json` (provenance) and `<out>.png` (curve).

    A pretraining that was interrupted is continued by the same call and ends with the same weights.

    Args:
        spec: The recipe; see `read_recipe`.
        out: A new file that ends in `.safetensors`.
        recipe: Its text, for the provenance.
        commit: Of the code, for the provenance; free text.
        watch: Told after every step.
        read: Told the name of each task before it is read.

    Raises:
        BadValueError: `out` exists already, training diverged, or a checkpoint belongs to another recipe.
        UnknownNameError: There is no such backbone or source.
        TaskDataError: A task, or what a folder says of its fonts, cannot be read.
        WeightsError: Weights of the backbone's family cannot be written.
        StorageAccessError: The folder of `out` cannot be written to.
    """
    _check(spec, out)
    about = {"recipe": recipe, "commit": commit, "fonts": fonts_of([task.source for task in spec.tasks])}
    device = build_device(spec.device)
    train = build_train(TrainSpec(precision=spec.precision, threads=spec.threads), device)
    torch.set_num_threads(train.threads)
    subjects, prints = _subjects(spec, device, read)
    network = _network(spec, sum(subject.num_classes for subject in subjects), device)
    _weights(network, spec.member)  # what cannot be written is refused now, not after hours
    run = Pretraining(network, subjects, _config(spec, train.precision))
    identity = sha256((digest(spec, train.precision, train.threads) + json.dumps(prints)).encode())
    checkpoint = checkpoint_path(out)
    load_checkpoint(checkpoint, run, identity)

    def after_step(run: Pretraining) -> None:
        if run.step % spec.checkpoint_every == 0 or run.step == spec.steps:
            save_checkpoint(checkpoint, run, identity)
        watch(run)

    try:
        run.run(after_step)
    except DivergedError as error:
        raise BadValueError(f"Pretraining diverged: {error}. Lower lr or raise warmup.") from error
    _finish(spec, run, out, about)
    checkpoint.unlink(missing_ok=True)


def _check(spec: PretrainSpec, out: Path) -> None:
    """Refuse what cannot end well before hours are spent."""
    resolutions = family_of(spec.member).space(spec.member)[RESOLUTION].values
    if spec.resolution not in resolutions:
        raise BadValueError(
            f"resolution is {spec.resolution}, but {spec.member} sees images of "
            f"{', '.join(map(str, resolutions))} pixels; choose one of these."
        )
    if out.suffix != ".safetensors":
        raise BadValueError(f"--out must end in .safetensors, got {out}.")
    if not out.parent.is_dir():
        raise BadValueError(f"The folder of --out {out} does not exist.")
    if not os.access(out.parent, os.W_OK):
        raise StorageAccessError(
            f"The folder of --out {out} cannot be written to. Check who owns it, or choose another --out."
        )
    for path in () if checkpoint_path(out).exists() else _written(out):
        if path.exists():
            raise BadValueError(f"{path} exists already and is never overwritten. Choose another --out.")


def _written(out: Path) -> tuple[Path, Path, Path]:
    """Provenance, curve and weights: weights last, so that when they are there, all is there."""
    return out.with_suffix(".json"), out.with_suffix(".png"), out


def _subjects(
    spec: PretrainSpec, device: torch.device, read: Callable[[str], None]
) -> tuple[list[Subject], list[str]]:
    """The tasks on the device, and the fingerprints of their data."""
    subjects, prints = [], []
    for entry in spec.tasks:
        read(entry.name)
        data = load_task(entry.source, entry.splits())
        check_num_classes(data.class_names, entry.classes, entry.source)
        prints.append(fingerprint(data))
        subjects.append(
            Subject(
                name=entry.name,
                num_classes=len(data.class_names),
                images=torch.from_numpy(data.train.images).to(device),
                labels=torch.from_numpy(data.train.labels).to(device),
                val_images=torch.from_numpy(data.val.images).to(device),
                val_labels=torch.from_numpy(data.val.labels).to(device),
            )
        )
    return subjects, prints


def _network(spec: PretrainSpec, num_classes: int, device: torch.device) -> Network:
    family = family_of(spec.member)
    layout = family.layout(spec.member)
    hparams = {**family.space(spec.member).defaults(), RESOLUTION: spec.resolution}
    slots = [layout.slot(name, hparams, num_classes) for name in layout.root_slots()]
    components = {}
    for slot in slots:
        generator = torch.Generator().manual_seed(derive(spec.seed, "pretrain", spec.member, slot.name))
        components[slot.name] = {k: t.to(device) for k, t in family.init(slot, generator).items()}
    return assemble(family, slots, components, frozenset(slot.name for slot in slots))


def _config(spec: PretrainSpec, precision: str) -> PretrainConfig:
    """The trainer's part of the recipe, which has the same names there."""
    values = {**asdict(spec), "precision": precision}
    return PretrainConfig(**{field.name: values[field.name] for field in fields(PretrainConfig)})


def _weights(network: Network, member: str) -> bytes:
    """The root as a file in bfloat16."""
    components = {
        slot: {name: tensor.bfloat16() for name, tensor in tensors.items()}
        for slot, tensors in split(network).items()
    }
    return family_of(member).write_weights(components, member)


def _finish(spec: PretrainSpec, run: Pretraining, out: Path, about: Mapping[str, Any]) -> None:
    weights = _weights(run.network, spec.member)
    provenance = {
        "member": spec.member,
        "sha256": sha256(weights),
        "code_version": __version__,
        "torch": torch.__version__,
        "seed": spec.seed,
        "steps": spec.steps,
        "samples": spec.steps * spec.batch_size,
        "precision": run.config.precision,
        "tasks": {s.name: {"classes": s.num_classes, "images": len(s.labels)} for s in run.subjects},
        "curve": [asdict(point) for point in run.curve],
        **about,
    }
    text = json.dumps(provenance, indent=1, ensure_ascii=False) + "\n"
    for path, data in zip(_written(out), (text.encode(), curve_png(run.curve), weights), strict=True):
        replace_file(path, data)
