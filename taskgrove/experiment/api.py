"""What `import taskgrove` offers to make and open a system."""

from __future__ import annotations

from pathlib import Path

from taskgrove.domain.errors import StorePathError
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spec import RootSpec
from taskgrove.store.backends import open_backend
from taskgrove.store.check import CheckReport, check


def create(path: str | Path, *, root: str = "vit-ti3", weights: str | None = None, seed: int = 0) -> Grove:
    """Make a new system in a folder.

    Args:
        path: A folder that does not exist or is empty.
        root: A registered backbone, e.g. `vit-ti3`.
        weights: A weights file for it (safetensors in timm's naming, or AugReg npz); random
            initialisation by default.
        seed: Of the random initialisation.

    Raises:
        StorePathError: Something is there already.
        UnknownNameError: There is no such backbone.
        WeightsError: The weights file does not fit.
    """
    return Grove.create(open_backend(str(path)), RootSpec(member=root, weights=weights, seed=seed))


def open(path: str | Path, *, writable: bool = True) -> Grove:
    """Open the system in a folder; with `writable=False` nothing is ever written.

    Raises:
        StorePathError: There is no system.
        StoreFormatError: Another version of the format.
    """
    return Grove.open(open_backend(str(path)), writable=writable)


def open_or_create(path: str | Path, root: RootSpec) -> Grove:
    """Open the system in a folder, or make it when there is none.

    Raises:
        StorePathError: Something else is there.
    """
    backend = open_backend(str(path))
    try:
        return Grove.open(backend)
    except StorePathError:
        return Grove.create(backend, root)


def check_store(path: str | Path, *, deep: bool = True) -> CheckReport:
    """Verify all that is stored in a folder, however damaged; see `taskgrove.store.check`.

    Raises:
        StorePathError: There is no store.
    """
    return check(open_backend(str(path)), deep=deep)
