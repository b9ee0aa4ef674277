"""Where bytes can be kept, by name and by URL."""

from __future__ import annotations

import re

from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.registry import Registry
from taskgrove.store.backends.cloud import CloudBackend
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend

BACKENDS: Registry[type[AbstractBackend]] = Registry(
    "storage backend",
    "taskgrove.backends",
    {"cloud": CloudBackend, "local": LocalBackend, "memory": MemoryBackend},
)


def open_backend(text: str) -> AbstractBackend:
    """The storage that a text names: a folder's path, a URL, or `<backend>:<location>`.

    Args:
        text: `grove`, `file:///data/grove`, `memory://name`, `s3://bucket/prefix`, `gs://bucket/prefix`,
            `az://container/prefix`, or what another package has registered.

    Raises:
        UnknownNameError: No backend has what stands before the colon as its name or scheme.
        BadValueError: The text is empty, or its backend cannot read the location.
        StorePathError: The path is a file.
        MissingExtraError: The backend needs a package that is not installed.
    """
    if not text:
        raise BadValueError("An empty text names no storage; give the path of a folder.")
    match = re.match(r"([a-z][a-z0-9+.-]+):", text)
    if match is None:
        return LocalBackend.at(text)
    name = match[1]
    if name in BACKENDS:
        return BACKENDS[name].at(text.partition(":")[2])
    schemes = {scheme: backend for _, backend in BACKENDS.items() for scheme in backend.schemes}
    if name not in schemes:
        error = UnknownNameError.of("storage backend", name, [*schemes, *BACKENDS])
        raise UnknownNameError(f"{error} To name a folder that holds a colon, write ./ before it.")
    return schemes[name].at(text)
