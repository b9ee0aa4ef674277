"""Commands that use a task's model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

import taskgrove
from taskgrove.cli.output import AtOption, DeviceOption, GroveArgument, JsonOption, columns, emit
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import TaskName
from taskgrove.reports.quantities import percent
from taskgrove.serving.images import as_images

if TYPE_CHECKING:
    from taskgrove.experiment.grove import Grove
    from taskgrove.serving.prediction import Prediction

_UNREADABLE = (EOFError, Image.DecompressionBombError, OSError, SyntaxError, ValueError)
"""What NumPy and Pillow raise for files that are damaged or something else."""


def predict(
    grove: GroveArgument,
    task: Annotated[str, typer.Argument(help="Whose model answers.")],
    images: Annotated[list[Path], typer.Argument(help="Image files, or .npy files of uint8 images.")],
    at: AtOption = None,
    also: Annotated[list[str] | None, typer.Option(help="Another task whose model answers, too.")] = None,
    device: DeviceOption = "cpu",
    json: JsonOption = False,
) -> None:
    """Classify images with a task's model, or with those of several tasks."""
    system = opened(grove, at)
    tasks = [TaskName(name) for name in dict.fromkeys((task, *(also or ())))]
    shapes = {name: system.view().task(name).image_shape for name in tasks}
    predictor = system.predictor(tasks, device=device)
    table = columns("image", "task", "class", "probability")
    data = []
    for path in images:
        found: dict[TaskName, Prediction] = {}
        for shape in dict.fromkeys(shapes.values()):
            alike = [name for name in tasks if shapes[name] == shape]
            found |= predictor.predict(_read(path, (shape[1], shape[0])), alike)
        for i, label in enumerate(_labels(path, len(found[tasks[0]].names))):
            for name in tasks:
                answer = found[name]
                probability = float(answer.probabilities[i].max())
                table.add_row(label, name, answer.names[i], f"{percent(probability)} %")
                data.append(
                    {"image": label, "task": name, "class": answer.names[i], "probability": probability}
                )
    emit(table, data, as_json=json)


def evaluate(
    grove: GroveArgument,
    task: Annotated[list[str] | None, typer.Argument(help="All tasks with a model by default.")] = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    at: AtOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Measure models on a whole split again, beside what was recorded when they were published."""
    system = opened(grove, at)
    view, recorded = system.view(), system.evaluations()
    table = columns("task", "images", "accuracy", "recorded")
    data = []
    for name in task or list(view.bests):
        found = system.evaluate(name, split, device=device)
        before = recorded.get(found.model, {}).get(split)
        known = None if before is None else before.accuracy
        table.add_row(name, f"{found.num_samples:,}", f"{percent(found.accuracy)} %", f"{percent(known)} %")
        data.append(
            {
                "task": name,
                "split": split,
                "images": found.num_samples,
                "accuracy": found.accuracy,
                "recorded": known,
            }
        )
    emit(table, data, as_json=json)


def opened(grove: str, at: str | None) -> Grove:
    """The system to be read, as of a commit or as it is now."""
    system = taskgrove.open(grove, writable=False)
    return system if at is None else system.at(at)


def _labels(path: Path, num_images: int) -> list[str]:
    return [f"{path}[{i}]" for i in range(num_images)] if path.suffix == ".npy" else [str(path)]


def _read(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Images of a file; photographs are brought to the size of the task's images."""
    try:
        if path.suffix == ".npy":
            return as_images(np.load(path, allow_pickle=False))
        with Image.open(path) as image:
            grey = image.mode in ("1", "L", "LA", "I;16")
            return np.asarray(image.convert("L" if grey else "RGB").resize(size, Image.Resampling.BILINEAR))
    except FileNotFoundError as error:
        raise BadValueError(f"There is no file {path}.") from error
    except _UNREADABLE as error:
        raise BadValueError(f"{path} cannot be read as an image: {error}") from error
