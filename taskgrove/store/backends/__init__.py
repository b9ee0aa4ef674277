"""Where bytes can be kept, by name."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from taskgrove.domain.errors import BadValueError, StorePathError
from taskgrove.domain.registry import Registry
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend

BACKENDS: Registry[type[AbstractBackend]] = Registry(
    "storage backend", "taskgrove.backends", {"local": LocalBackend, "memory": MemoryBackend}
)


def open_backend(url: str) -> AbstractBackend:
    """The storage that a text names: a folder's path, or its `file:` URL.

    Raises:
        BadValueError: The text is empty or names another kind of storage.
        StorePathError: The path is a file.
    """
    path = _path(url)
    if path.exists() and not path.is_dir():
        raise StorePathError(f"{path} is a file; a store is a folder, so name another path.")
    return LocalBackend(path)


def _path(url: str) -> Path:
    scheme = re.match(r"([a-z][a-z0-9+.-]+):", url)
    parts = urlsplit(url)
    if url and scheme is None:
        return Path(url).expanduser()
    if scheme is None or scheme[1] != "file" or parts.netloc not in ("", "localhost") or not parts.path:
        raise BadValueError(
            f"{url!r} names no storage that can be opened by text; give a folder's path (with ./ before it "
            "when it holds a colon), file:relative/path or file:///absolute/path."
        )
    return Path(unquote(parts.path))
