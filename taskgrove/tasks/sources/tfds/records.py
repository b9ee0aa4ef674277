"""Records in files of TensorFlow Datasets, of both kinds, without TensorFlow.

`array_record` is read by the package of that name. `tfrecord` is a plain list of

    length (8 bytes) · its checksum (4) · data · its checksum (4)

in little-endian order; a checksum is the CRC-32C, rotated right by 15 bits, plus a constant.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, final

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.sources.tfds.extra import needed

ARRAY_RECORD, TFRECORD = "array_record", "tfrecord"
FILE_FORMATS = (ARRAY_RECORD, TFRECORD)
_HEAD, _CHECKSUM = struct.Struct("<QI"), struct.Struct("<I")
_MASK_CONSTANT = 0xA282EAD8


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A file of records.

    Attributes:
        path: The file.
        kind: One of `FILE_FORMATS`.
        num_records: It should hold.
    """

    path: Path
    kind: str
    num_records: int


@final
@dataclass(frozen=True, slots=True)
class Record:
    """The bytes of an example.

    Attributes:
        data: A serialised `tf.train.Example`.
        where: What it is called in messages.
    """

    data: bytes
    where: str


def read_records(shard: Shard) -> Iterator[Record]:
    """All records of a shard, in order.

    Raises:
        TaskDataError: The file is damaged, or holds more or fewer records; says which record.
        MissingExtraError: A package that reads the file is not installed.
    """
    count = 0
    read = _array_records if shard.kind == ARRAY_RECORD else _tfrecords
    try:
        for data in read(shard.path):
            yield Record(data, f"record {count} of {shard.path}")
            count += 1
    except (OSError, ValueError, RuntimeError, IndexError) as error:
        why = str(error) or "it ends too early"
        raise TaskDataError(f"{shard.path} is damaged at record {count} ({why}); {_REPAIR}") from error
    if count != shard.num_records:
        raise TaskDataError(
            f"{shard.path} holds {count} records, though dataset_info.json lists {shard.num_records}; "
            f"{_REPAIR}"
        )


_REPAIR = "copy the data set again, or prepare it anew."


def _array_records(path: Path) -> Iterator[bytes]:
    module = needed("array_record.python.array_record_module")
    reader = module.ArrayRecordReader(str(path))
    try:
        for _ in range(reader.num_records()):
            yield reader.read()
    finally:
        reader.close()


def _tfrecords(path: Path) -> Iterator[bytes]:
    crc32c = needed("google_crc32c").value
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            length, checksum = _HEAD.unpack(_whole(head, _HEAD.size))
            if _masked(crc32c(head[:8])) != checksum:
                raise ValueError("the checksum of its length is wrong")
            data = _whole(file.read(length), length)
            if _masked(crc32c(data)) != _read_checksum(file):
                raise ValueError("its checksum is wrong")
            yield data


def _masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + _MASK_CONSTANT) & 0xFFFFFFFF


def _read_checksum(file: BinaryIO) -> int:
    checksum: int = _CHECKSUM.unpack(_whole(file.read(_CHECKSUM.size), _CHECKSUM.size))[0]
    return checksum


def _whole(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise ValueError("the file ends in the middle of it")
    return data
