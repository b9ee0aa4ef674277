"""Training steps of an image classifier in a plain PyTorch loop, on one batch that lies ready."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch
from torch import nn

from benchmarks.peers.answer import Respond, serve
from benchmarks.peers.convolutional import convolutional_network
from benchmarks.peers.vision import vision_transformer

MODELS = {"vit": vision_transformer, "convnet": convolutional_network}
"""By the family that they are like."""


def prepare(settings: dict[str, Any]) -> tuple[str, Respond]:
    """Model, optimiser and batch; a request names how many `steps`."""
    torch.set_num_threads(settings["threads"])
    device = torch.device(settings["device"])
    about, model = MODELS[settings["family"]](settings)
    model = model.to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    shape = (settings["batch"], 3, settings["resolution"], settings["resolution"])
    images = torch.rand(shape, device=device) * 2 - 1
    labels = torch.randint(settings["num_classes"], (settings["batch"],), device=device)
    half = settings["precision"] == "bf16"

    def step() -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
            logits = model(images)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def respond(request: dict[str, Any]) -> dict[str, Any]:
        start = perf_counter()
        for _ in range(request["steps"]):
            step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return {"seconds": (perf_counter() - start) / request["steps"]}

    return f"{about}, plain loop", respond


if __name__ == "__main__":
    serve(prepare)
