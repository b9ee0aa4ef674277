"""Writes report files whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from taskgrove.domain.errors import BadValueError, EnvironmentFailure, StorageAccessError, StorageFullError


def write_files(folder: Path, contents: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Create or replace files in a folder, which is made when missing, as are folders below it.

    All are first written under temporary names, then renamed one by one, so that an interruption
    leaves no half file and files of an earlier report stay whole.

    Args:
        folder: Where to write; other files in it are left alone.
        contents: By path below the folder, with `/`.

    Raises:
        BadValueError: The path, or a parent of it, is a file.
        EnvironmentFailure: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _write_all(folder, contents)
    except (FileExistsError, NotADirectoryError) as error:
        file = next((path for path in (folder, *folder.parents) if path.is_file()), folder)
        raise BadValueError(f"A report is a folder, but {file} is a file. Choose another path.") from error
    except OSError as error:
        raise _environment(folder, error) from error


def _write_all(folder: Path, contents: Mapping[str, bytes]) -> tuple[Path, ...]:
    staged = {
        path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in map(folder.joinpath, contents)
    }
    try:
        for parent in dict.fromkeys(path.parent for path in staged):
            parent.mkdir(exist_ok=True)
        for temporary, data in zip(staged.values(), contents.values(), strict=True):
            temporary.write_bytes(data)
        for path, temporary in staged.items():
            temporary.replace(path)
    finally:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)
    return tuple(staged)


def _environment(folder: Path, error: OSError) -> EnvironmentFailure:
    text = f"The report cannot be written to {folder}: {error.strerror or error}."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFullError(f"{text} Free some space and write it again; nothing was half-written.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageAccessError(f"{text} Choose a folder that you may write to.")
    return EnvironmentFailure(f"{text} Choose another folder or mend this one, then write it again.")
