"""Small data sets that TensorFlow Datasets itself writes.

Files of the kind `array_record` are written by the tests. Those of the kind `tfrecord` need TensorFlow to be
written, so they lie in tests/data/tfds, made where it is installed by
`python tests/unit/tfds_sets.py tests/data/tfds tfrecord`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from numpy.typing import NDArray
from PIL import Image

SHADES = ("dark", "light")
SIZES: Mapping[str, int] = {"train": 12, "test": 6}
Rows = Mapping[str, list[dict[str, Any]]]
"""Examples by split."""


def pixels(number: int, channels: int) -> NDArray[np.uint8]:
    """The image (5, 6, channels) of an example; odd ones are light."""
    ramp = np.arange(5 * 6 * channels, dtype=np.uint8).reshape(5, 6, channels)
    return (ramp + 3 * number + 100 * (number % 2)).astype(np.uint8)


def encoded(image: NDArray[np.uint8], kind: str = "PNG") -> io.BytesIO:
    """An image file."""
    file = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(file, kind)
    file.seek(0)
    return file


class _Builder(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc]
    VERSION = tfds.core.Version("0.0.0")
    features: ClassVar[Mapping[str, Any]]
    rows: ClassVar[Rows]

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(self.features))

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in self.rows}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        yield from enumerate(self.rows[split])


def write(
    folder: Path,
    name: str,
    features: Mapping[str, Any],
    rows: Rows,
    *,
    config: str | None = None,
    version: str = "1.0.0",
    file_format: str = "array_record",
    num_shards: int = 1,
) -> Path:
    """Prepare a data set as TensorFlow Datasets does; its folder."""
    body = {
        "name": name,
        "features": features,
        "rows": rows,
        "VERSION": tfds.core.Version(version),
        "BUILDER_CONFIGS": [tfds.core.BuilderConfig(name=config, version=version)] if config else [],
    }
    tfds.disable_progress_bar()
    with tfds.core.registered.skip_registration():
        kind = type(name.title(), (_Builder,), body)
    builder = kind(data_dir=str(folder), file_format=file_format)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=num_shards))
    return Path(builder.data_dir)


def write_shades(folder: Path, channels: int, **options: Any) -> Path:
    """The data set `shades`, whose config is `grey` or `rgb`."""
    features = {
        "image": tfds.features.Image(shape=(5, 6, channels)),
        "label": tfds.features.ClassLabel(names=SHADES),
        "number": np.int64,
        "weight": np.float32,
        "file_name": tfds.features.Text(),
    }
    rows = {split: list(_rows(split, channels)) for split in SIZES}
    return write(folder, "shades", features, rows, config="grey" if channels == 1 else "rgb", **options)


def _rows(split: str, channels: int) -> Iterator[dict[str, Any]]:
    first = 0 if split == "train" else SIZES["train"]
    for number in range(first, first + SIZES[split]):
        yield {
            "image": encoded(pixels(number, channels)),
            "label": SHADES[number % 2],
            "number": number,
            "weight": number / 2,
            "file_name": f"{number}.png",
        }


if __name__ == "__main__":
    for channels in (1, 3):
        write_shades(Path(sys.argv[1]), channels, file_format=sys.argv[2], num_shards=2)
