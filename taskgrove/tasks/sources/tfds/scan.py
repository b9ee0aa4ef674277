"""One reading of all records for labels, columns and sizes of images, kept in the machine's cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from taskgrove.tasks.cache import ImageCache
from taskgrove.tasks.cache_entry import in_memory
from taskgrove.tasks.decoding import in_parallel, stamp_of_content
from taskgrove.tasks.featured import Table
from taskgrove.tasks.mapped import MappedImages
from taskgrove.tasks.raster import DECODER, Look
from taskgrove.tasks.sources.tfds.examples import Wanted, chunks_of, row_of
from taskgrove.tasks.sources.tfds.records import Shard
from taskgrove.tasks.stamps import key_of

_FIRST_COLUMN = 4
_BYTES = 8

Rows: TypeAlias = NDArray[np.int64]
"""(N, 4 + number of columns); see `taskgrove.tasks.sources.tfds.examples.row_of`."""


def scan(shards: Sequence[Shard], files: Sequence[Path], wanted: Wanted, name_of_label: str) -> Rows:
    """A row for every example of the shards.

    The cache keeps images; the bytes of a row's numbers are kept as if they were the pixels of one.

    Args:
        shards: In the order of the rows.
        files: They and all that describes them.
        wanted: What the rows hold.
        name_of_label: Tells the label from any other.
    """
    num_rows, width = sum(shard.num_records for shard in shards), _FIRST_COLUMN + len(wanted.columns)
    cache = ImageCache.of_machine()
    stamp = stamp_of_content(files, num_rows)
    names = (wanted.image, name_of_label, *wanted.columns)
    key = None if stamp is None else key_of(f"tfds rows 1, {DECODER}", stamp, *names)
    found = None if key is None else cache.find(key)
    if found is None:
        shape = num_rows, width, _BYTES, 1

        def blocks() -> Iterator[NDArray[np.uint8]]:
            rows = in_parallel(
                partial(row_of, wanted=wanted), chunks_of(shards), num_rows, "reading examples"
            )
            return (np.stack(part).view(np.uint8).reshape(-1, *shape[1:]) for part in rows)

        found = in_memory(shape, blocks) if key is None else cache.keep(key, shape, blocks)
    kept = found.read(slice(None)) if isinstance(found, MappedImages) else found
    return np.ascontiguousarray(kept).reshape(num_rows, -1).view(np.int64)


def looks_of(rows: Sequence[Rows]) -> Iterator[Look]:
    """Sizes and colours of images, each kind once."""
    kinds = np.unique(np.concatenate(rows)[:, :3], axis=0)
    return (Look(int(width), int(height), bool(grey)) for width, height, grey in kinds)


def table_of(rows: Rows, columns: Sequence[str]) -> Table:
    """Labels and named columns."""
    named = {name: rows[:, _FIRST_COLUMN + number].copy() for number, name in enumerate(columns)}
    return Table(labels=rows[:, _FIRST_COLUMN - 1].copy(), columns=named)
