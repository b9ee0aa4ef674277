"""What `import taskgrove` offers to make and open a system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from taskgrove.coordinator.base import Observe
from taskgrove.domain.errors import StorePathError
from taskgrove.experiment.group import follow, part_of, teamed
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.sequence import check_sequence, unfinished
from taskgrove.experiment.spec import ExperimentSpec, RootSpec
from taskgrove.store.fork import open_place
from taskgrove.trainer.base import Watch


def create(path: str | Path, *, root: str = "vit-ti3", weights: str | None = None, seed: int = 0) -> Grove:
    """Make a new system in a folder.

    Args:
        path: A folder that does not exist or is empty.
        root: A registered backbone, e.g. `vit-ti3`.
        weights: `random`, a shipped root (`glyphs`), a weights file for it (safetensors in timm's naming,
            or AugReg npz), or `hub:<owner>/<repo>[/<file>]`; random initialisation by default.
        seed: Of the random initialisation.

    Raises:
        StorePathError: Something is there already.
        UnknownNameError: There is no such backbone, or no such root.
        WeightsError: The weights do not fit or cannot be fetched.
        MissingExtraError: The hub needs the extra `hub`.
    """
    return Grove.create(open_place(str(path)), RootSpec(member=root, weights=weights, seed=seed))


def open(path: str | Path, *, writable: bool = True) -> Grove:
    """Open the system in a folder; with `writable=False` nothing is ever written.

    Raises:
        StorePathError: There is no system.
        StoreFormatError: Another version of the format.
    """
    return Grove.open(open_place(str(path)), writable=writable)


def open_or_create(path: str | Path, root: RootSpec) -> Grove:
    """Open the system in a folder, or make it when there is none.

    Raises:
        StorePathError: Something else is there.
    """
    backend = open_place(str(path))
    try:
        return Grove.open(backend)
    except StorePathError:
        return Grove.create(backend, root)


def run(
    spec: ExperimentSpec | Sequence[ExperimentSpec],
    path: str | Path,
    *,
    observe: Observe = lambda _: None,
    watch: Watch = lambda _: None,
) -> Grove:
    """Carry out an experiment on the system in a folder, which is made when there is none.

    Processes that torchrun has started train each child together; the first one does everything else.

    Args:
        spec: See `taskgrove.read_experiment`; or several that are carried out in a row, see
            `taskgrove.read_segments`. Refused before anything is written when one cannot be.
        path: The folder.
        observe: Told of every child and iteration.
        watch: Told after every train cycle.

    Raises:
        UserError: See `Grove.run`, `sequence.check_sequence`, `sequence.unfinished` and `group.teamed`.
        EnvironmentFailure: A process of a team has been lost.
    """
    specs = (spec,) if isinstance(spec, ExperimentSpec) else tuple(spec)
    check_sequence(specs)
    with teamed(specs) as team:
        if team.leads:
            grove = open_or_create(path, specs[0].root)
            for left in unfinished(specs, grove.view()):
                grove.run(left, observe, watch, team)
        else:
            follow(team, part_of(team, path, specs[0].device))
            grove = open(path, writable=False)
    return grove
