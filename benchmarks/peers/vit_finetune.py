"""A child in timm's way: all layers fine-tuned, images prepared one by one with Pillow by a DataLoader."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from benchmarks.peers.answer import Respond, serve
from benchmarks.peers.changes import changed
from benchmarks.peers.vision import vision_transformer


class Pictures(Dataset[tuple[Tensor, int]]):
    """A split of an npz file, each image prepared when it is asked for.

    Args:
        path: Of the file.
        split: In it.
        resolution: Of the prepared images.
        changes: At random; see `changed`.
    """

    def __init__(self, path: str, split: str, resolution: int, changes: Mapping[str, float]) -> None:
        with np.load(path) as arrays:
            self.images, self.labels = arrays[f"x_{split}"], arrays[f"y_{split}"]
        self.resolution = resolution
        self.changes = changes

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.images[index].squeeze()).convert("RGB")
        pixels = np.asarray(changed(picture, self.resolution, self.changes), dtype=np.float32)
        return torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1, int(self.labels[index])


def prepare(settings: dict[str, Any]) -> tuple[str, Respond]:
    """A request names the `data`, `classes`, `changes`, the `cycles`, `samples` and `val` images in each."""
    torch.set_num_threads(settings["threads"])
    about, _ = vision_transformer({**settings, "num_classes": 2})

    def respond(request: dict[str, Any]) -> dict[str, Any]:
        start = perf_counter()
        accuracy = fine_tune({**settings, **request})
        return {"seconds": perf_counter() - start, "accuracy": accuracy}

    return f"{about}, one full fine-tune per child, per-sample loader", respond


def fine_tune(job: dict[str, Any]) -> float:
    """Train a child; its best accuracy over the cycles."""
    _, model = vision_transformer({**job, "num_classes": job["classes"]})
    model = model.to(job["device"])
    train = Pictures(job["data"], "train", job["resolution"], job["changes"])
    val = Pictures(job["data"], "val", job["resolution"], {})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    best = 0.0
    for _ in range(job["cycles"]):
        sampler = RandomSampler(train, num_samples=job["samples"])
        one_cycle(model, optimizer, DataLoader(train, job["batch"], sampler=sampler), job)
        chosen = torch.utils.data.Subset(val, range(min(job["val"], len(val))))
        best = max(best, accuracy_of(model, DataLoader(chosen, 1024), job))
    return best


def one_cycle(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: DataLoader[tuple[Tensor, int]],
    job: dict[str, Any],
) -> None:
    """A step per batch."""
    model.train()
    for images, labels in loader:
        loss = nn.functional.cross_entropy(logits_of(model, images, job), labels.to(job["device"]))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def accuracy_of(model: nn.Module, loader: DataLoader[Any], job: dict[str, Any]) -> float:
    """On validation images."""
    model.eval()
    with torch.no_grad():
        hits = [logits_of(model, images, job).argmax(1).cpu() == labels for images, labels in loader]
    return float(torch.cat(hits).float().mean())


def logits_of(model: nn.Module, images: Tensor, job: dict[str, Any]) -> Tensor:
    """Under autocast where the comparison computes in bf16; float32 in any case."""
    half = job["precision"] == "bf16"
    with torch.autocast(torch.device(job["device"]).type, dtype=torch.bfloat16, enabled=half):
        logits: Tensor = model(images.to(job["device"]))
    return logits.float()


if __name__ == "__main__":
    serve(prepare)
