"""Blobs: who refers to them, and whether they are intact."""

from __future__ import annotations

from collections.abc import Callable

from taskgrove.domain.errors import StoreCorruptError
from taskgrove.domain.ids import BlobId
from taskgrove.domain.records import AddRoot, AddTask, FinishChild, Model, Operation, Publish
from taskgrove.domain.view import SystemView
from taskgrove.store.base import AbstractBackend
from taskgrove.store.keys import blob_id, blob_key, blob_prefix


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
        case Publish(models=models):
            return frozenset().union(*map(blobs_of, models))
        case AddTask(task=task) if task.data is not None:
            return frozenset({task.data})
        case _:
            return frozenset()


Unreferenced = Callable[[SystemView, frozenset[BlobId]], frozenset[BlobId]]
"""`unreferenced`, or what gives the same sooner."""


def unreferenced(view: SystemView, blobs: frozenset[BlobId]) -> frozenset[BlobId]:
    """Those of `blobs` that neither a live model nor a task refers to."""
    left = set(blobs)
    left.difference_update(task.data for task in view.tasks.values() if task.data is not None)
    for model in view.models.values():
        if not left:
            break
        for component in model.components:
            left.discard(BlobId(component.id))
            if component.momentum is not None:
                left.discard(component.momentum)
    return frozenset(left)


def fetch(backend: AbstractBackend, blob: BlobId, epoch: int, view: SystemView) -> bytes:
    """The verified bytes of a blob.

    Args:
        backend: Where it is.
        blob: Which.
        epoch: Of the name under which it is looked for first; its other names, if any, come after.
        view: Tells whom its loss would hit.

    Raises:
        StoreCorruptError: The blob is missing or its bytes do not match its name.
    """
    data = backend.get(blob_key(blob, epoch))
    if data is not None and blob_id(data) == blob:
        return data
    elsewhere = copy_of(backend, blob)
    if elsewhere is not None:
        return elsewhere
    what = "is missing" if data is None else f"is damaged (its {len(data)} bytes have another sha256)"
    raise StoreCorruptError(
        f"Blob {blob} {what}; it is used by {_users(view, blob)}. Copy {blob_key(blob, epoch)} from a backup "
        "or a mirror (`taskgrove check --heal-from`): its name proves it right. Models that do not use it "
        "are intact."
    )


def copy_of(backend: AbstractBackend, blob: BlobId) -> bytes | None:
    """Intact bytes of a blob under whatever name it has; None when there are none."""
    for entry in backend.list(blob_prefix(blob)):
        data = backend.get(entry.key)
        if data is not None and blob_id(data) == blob:
            return data
    return None


def _users(view: SystemView, blob: BlobId) -> str:
    tasks = [f"the data of task {task.name!r}" for task in view.tasks.values() if task.data == blob]
    models = [
        f"model {model.id[:12]} of task {model.task!r}" if model.task else f"root model {model.id[:12]}"
        for model in view.models.values()
        if blob in blobs_of(model)
    ]
    return ", ".join(tasks + models) or "no live model"
