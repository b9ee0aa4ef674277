"""Opens Hugging Face data sets with the library `datasets`, quietly; never runs code from a repository."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from taskgrove.domain.errors import MissingExtraError, TaskDataError
from taskgrove.tasks.featured import AUTO
from taskgrove.tasks.progress import tell_progress

_SAVED = ("dataset_dict.json", "state.json")
"""What `save_to_disk` leaves."""


def open_splits(head: str, options: Mapping[str, str]) -> dict[str, Any]:
    """The splits (`datasets.Dataset`) of a folder or repository.

    Args:
        head: The path of a folder, or `owner/repo`.
        options: `config`, and for a repository `revision`.

    Raises:
        TaskDataError: There is no such data set, it is damaged, or the network is needed and not there.
        MissingExtraError: The library is not installed.
    """
    library = _library()
    tell_progress(f"opening {head}", 0, 1)
    try:
        with _quiet(library):
            found = _open(library, head, options)
    except (library.exceptions.DatasetsError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise TaskDataError(_explanation(head, error)) from error
    tell_progress(f"opening {head}", 1, 1)
    if isinstance(found, library.DatasetDict):
        return dict(found)
    return {str(found.split or "all"): found}


def _library() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError(
            "The source hub needs the library datasets, which is not installed or does not work here "
            f"({error}); run: pip install 'taskgrove[hub]'"
        ) from error
    return datasets


def _open(library: Any, head: str, options: Mapping[str, str]) -> Any:
    config = None if options["config"] == AUTO else options["config"]
    # in memory they would have no files that tell them from others
    if not Path(head).is_absolute():
        return library.load_dataset(head, config, revision=options["revision"], keep_in_memory=False)
    if not Path(head).is_dir():
        raise FileNotFoundError("there is no such folder")
    if not any((Path(head) / name).is_file() for name in _SAVED):
        return library.load_dataset(head, config, keep_in_memory=False)
    if config:
        raise ValueError(f"it was saved by save_to_disk, which knows no configs; drop config={config}")
    return library.load_from_disk(head, keep_in_memory=False)


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Neither bars nor messages of the libraries; progress and errors are told by us."""
    from huggingface_hub import utils

    with_bars = [each for each in (library, utils) if not each.are_progress_bars_disabled()]
    levels = [(log, log.get_verbosity()) for log in (library.logging, utils.logging)]
    for each in with_bars:
        each.disable_progress_bars()
    for log, _ in levels:
        log.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        for each in with_bars:
            each.enable_progress_bars()
        for log, level in levels:
            log.set_verbosity(level)


def _explanation(head: str, error: Exception) -> str:
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    if Path(head).is_absolute():
        return (
            f"{head} cannot be read as a Hugging Face data set ({reason}). Such a folder is written by "
            "save_to_disk, or holds parquet files named by split, as in data/train-00000-of-00001.parquet."
        )
    return (
        f"The data set {head} cannot be had from the Hugging Face hub ({reason}). Check the name, the config "
        "and the network; offline, only what the cache of the library datasets holds can be used, at once "
        "with HF_HUB_OFFLINE=1. If you mean a folder, there is none of this name; write its path."
    )
