"""Where bytes can be kept, by name."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.registry import Registry
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend

BACKENDS: Registry[type[AbstractBackend]] = Registry(
    "storage backend", "taskgrove.backends", {"local": LocalBackend, "memory": MemoryBackend}
)


def open_backend(text: str) -> AbstractBackend:
    """The storage that a text names: a folder's path or `file:` URL, or `<backend>:<location>`.

    Raises:
        UnknownNameError: No backend has the name before the colon.
        BadValueError: The text is empty, or its backend cannot read the location.
        StorePathError: The path is a file.
    """
    if not text:
        raise BadValueError("An empty text names no storage; give the path of a folder.")
    scheme = re.match(r"([a-z][a-z0-9+.-]+):", text)
    if scheme is None:
        return LocalBackend.at(text)
    if scheme[1] == "file":
        return LocalBackend.at(_path(text))
    if scheme[1] not in BACKENDS:
        error = UnknownNameError.of("storage backend", scheme[1], ["file", *BACKENDS])
        raise UnknownNameError(f"{error} To name a folder that holds a colon, write ./ before it.")
    return BACKENDS[scheme[1]].at(text.partition(":")[2])


def _path(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise BadValueError(
            f"{url!r} names no folder of this machine; write file:relative/path or file:///absolute/path."
        )
    return unquote(parts.path)
