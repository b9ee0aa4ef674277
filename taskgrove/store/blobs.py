"""Blobs: who refers to them, whether they are there, whether they are intact."""

from __future__ import annotations

from taskgrove.domain.errors import StoreCorruptError
from taskgrove.domain.ids import BlobId
from taskgrove.domain.records import AddRoot, AddTask, FinishChild, Model, Operation
from taskgrove.domain.view import SystemView
from taskgrove.store.base import AbstractBackend
from taskgrove.store.keys import blob_id, blob_key


def blobs_of(model: Model) -> frozenset[BlobId]:
    """Parameters and momenta of a model's components."""
    momenta = (c.momentum for c in model.components if c.momentum is not None)
    return frozenset((*(BlobId(c.id) for c in model.components), *momenta))


def referenced_by(operation: Operation) -> frozenset[BlobId]:
    """Blobs that must exist before the operation is committed."""
    match operation:
        case AddRoot(model=model):
            return blobs_of(model)
        case FinishChild(model=model) if model is not None:
            return blobs_of(model)
        case AddTask(task=task) if task.data is not None:
            return frozenset({task.data})
        case _:
            return frozenset()


def unreferenced(view: SystemView, blobs: frozenset[BlobId]) -> frozenset[BlobId]:
    """Those of `blobs` that neither a live model nor a task refers to."""
    blobs -= {task.data for task in view.tasks.values() if task.data is not None}
    for model in view.models.values():
        if not blobs:
            break
        blobs -= blobs_of(model)
    return blobs


def exists(backend: AbstractBackend, blob: BlobId) -> bool:
    """Whether the backend holds an object of the blob's name, whatever its bytes."""
    return any(entry.key == blob_key(blob) for entry in backend.list(blob_key(blob)))


def fetch(backend: AbstractBackend, blob: BlobId, view: SystemView) -> bytes:
    """The verified bytes of a blob; `view` tells whom its loss would hit.

    Raises:
        StoreCorruptError: The blob is missing or its bytes do not match its name.
    """
    data = backend.get(blob_key(blob))
    if data is not None and blob_id(data) == blob:
        return data
    what = "is missing" if data is None else f"is damaged (its {len(data)} bytes have another sha256)"
    raise StoreCorruptError(
        f"Blob {blob} {what}; it is used by {_users(view, blob)}. Copy {blob_key(blob)} from a backup or "
        "another copy of the store: its name proves it right. Models that do not use it are intact."
    )


def _users(view: SystemView, blob: BlobId) -> str:
    tasks = [f"the data of task {task.name!r}" for task in view.tasks.values() if task.data == blob]
    models = [
        f"model {model.id[:12]} of task {model.task!r}" if model.task else f"root model {model.id[:12]}"
        for model in view.models.values()
        if blob in blobs_of(model)
    ]
    return ", ".join(tasks + models) or "no live model"
