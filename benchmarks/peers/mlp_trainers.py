"""A tiny MLP trained by Hugging Face's Trainer or by Avalanche, as their manuals say."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, util
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from benchmarks.peers.answer import Respond, serve
from benchmarks.peers.vision import declare_operators

Fit = Callable[[nn.Module, "Images", int], object]
"""Trains a model on images for so many epochs."""


class Images(Dataset[dict[str, Tensor]]):
    """Prepared images with their labels, as Hugging Face's Trainer wants them."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"x": self.x[index], "labels": self.y[index]}


class Scored(nn.Module):
    """A model that gives its loss, as Hugging Face's Trainer wants it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Loss and logits."""
        logits = self.model(x)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def huggingface(settings: dict[str, Any]) -> tuple[str, Fit]:
    """`transformers.Trainer` with SGD, without logs and checkpoints."""
    transformers, accelerate = import_module("transformers"), import_module("accelerate")
    arguments_of, trainer_of = transformers.TrainingArguments, transformers.Trainer  # imported only now
    folder = TemporaryDirectory(prefix="taskgrove-")

    def fit(model: nn.Module, images: Images, epochs: int) -> None:
        _ = folder  # lives as long as the function
        asked = arguments_of(
            output_dir=folder.name,
            num_train_epochs=epochs,
            per_device_train_batch_size=settings["batch"],
            learning_rate=1e-3,
            optim="sgd",
            optim_args="momentum=0.9",
            max_grad_norm=1.0,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=settings["device"] == "cpu",
        )
        trainer_of(model=Scored(model), args=asked, train_dataset=images).train()

    return f"transformers {transformers.__version__}, accelerate {accelerate.__version__}", fit


def avalanche(settings: dict[str, Any]) -> tuple[str, Fit]:
    """`Naive` fine-tuning on one experience, without metrics and loggers."""
    library = import_module("avalanche")
    supervised, benchmarks = (
        import_module("avalanche.training.supervised"),
        import_module("avalanche.benchmarks"),
    )
    utils, plugins = import_module("avalanche.benchmarks.utils"), import_module("avalanche.training.plugins")

    def fit(model: nn.Module, images: Images, epochs: int) -> None:
        data = TensorDataset(images.x, images.y)
        data.targets = images.y.tolist()  # type: ignore[attr-defined]
        data = utils.as_classification_dataset(data)
        stream = benchmarks.benchmark_from_datasets(train=[data]).train_stream
        strategy = supervised.Naive(
            model=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9),
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=settings["batch"],
            train_epochs=epochs,
            device=torch.device(settings["device"]),
            evaluator=plugins.EvaluationPlugin(loggers=[]),
        )
        strategy.train(stream[0])

    return f"Avalanche {library.__version__}", fit


LIBRARIES = {"huggingface": huggingface, "avalanche": avalanche}


def prepare(settings: dict[str, Any]) -> tuple[str, Respond]:
    """A request names how many `epochs`."""
    torch.set_num_threads(settings["threads"])
    if util.find_spec("torchvision"):
        declare_operators()
    about, fit = LIBRARIES[settings["library"]](settings)
    x = torch.rand(settings["images"], settings["inputs"]) * 2 - 1
    images = Images(x, torch.arange(settings["images"]) % settings["classes"])

    def respond(request: dict[str, Any]) -> dict[str, Any]:
        width = settings["hidden"]
        model = nn.Sequential(
            nn.Linear(settings["inputs"], width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, settings["classes"]),
        )
        start = perf_counter()
        fit(model, images, request["epochs"])
        return {"seconds": perf_counter() - start}

    return about, respond


if __name__ == "__main__":
    serve(prepare)
