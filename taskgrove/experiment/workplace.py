"""Where jobs are done: a store, the tasks' data and a trainer; in this process or in a worker."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import final

import torch

from taskgrove.coordinator.workers.post import post
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.jobs import EvaluateJob, Outcome, ProbeResult, Study, TrainJob, ValidateResult
from taskgrove.domain.records import Evaluation
from taskgrove.experiment.places import blob_cache
from taskgrove.store.base import AbstractBackend
from taskgrove.store.store import Store
from taskgrove.tasks.base import TaskData, num_bytes
from taskgrove.tasks.cache import machine_folder, machine_limit
from taskgrove.tasks.load import reload
from taskgrove.trainer.base import Watch
from taskgrove.trainer.cache import Cache
from taskgrove.trainer.distributed import ALONE, Team
from taskgrove.trainer.prefix.disk import Disk
from taskgrove.trainer.run import CACHE_BYTES, Trainer

DATA_BYTES = 4 << 30
"""Of the tasks' images that a machine's workplaces keep in memory together; others are read again."""

ACTIVATIONS_VARIABLE = "TASKGROVE_ACTIVATIONS_GB"
"""Of activations of frozen layers that the machine's workplaces keep on disk together; none by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What a worker needs to set up a workplace like another one.

    Attributes:
        backend: Of the store, pickled, so that addresses can be compared.
        device: Where it computes; `cuda` is each worker's own GPU, in turn.
        workers: Who share the machine's memory.
    """

    backend: bytes
    device: str
    workers: int


@final
class Workplace:
    """Does jobs on a store with one trainer.

    Its methods may be sent to another process, where they are those of a workplace of its own: it is
    set up with the first job that arrives and serves all others, so that caches stay warm. What it
    tells to `watch` goes back to the executor's listener.

    Args:
        store: Where components are read and written.
        device: Where it computes.
        workers: Workplaces on this machine at the same time, which share its memory.
        watch: Told after every train cycle.
        team: Who train each child together.
    """

    def __init__(
        self,
        store: Store,
        device: torch.device,
        *,
        workers: int = 1,
        watch: Watch = lambda _: None,
        team: Team = ALONE,
    ) -> None:
        self._store = store
        self._device = device
        self._workers = workers
        self._data = Cache(partial(read_task, store), num_bytes, DATA_BYTES // workers)
        share = CACHE_BYTES // workers
        self._trainer = Trainer(
            store,
            self._data.get,
            device,
            watch,
            remember_bytes=share,
            data_bytes=share,
            blob_bytes=share,
            team=team,
            disk=activations_disk(),
        )

    def train(self, job: TrainJob) -> Outcome:
        """Train a child; see `AbstractTrainer.train`."""
        return self._trainer.train(job)

    def evaluate(self, job: EvaluateJob) -> Evaluation:
        """Test a published model; see `AbstractTrainer.evaluate`."""
        return self._trainer.evaluate(job)

    def study(self, study: Study) -> ProbeResult | ValidateResult:
        """Measure what an agent wants to know; see `AbstractTrainer.study`."""
        return self._trainer.study(study)

    def meters(self) -> dict[str, float]:
        """Running totals of time and work; see `Trainer.meters`."""
        return self._trainer.meters()

    def prepare(self, tasks: Iterable[TaskName], *, travels: bool) -> None:
        """Find out now, not after hours, what would stop a run.

        Args:
            tasks: Whose data will be wanted.
            travels: Whether the jobs will be done in other processes, which read the data themselves.

        Raises:
            TaskDataError: The data is gone or has changed.
            BadValueError: Other processes cannot open the store.
        """
        if travels:
            pickle.dumps(self)
        for task in tasks:
            if travels:
                read_task(self._store, task)
            else:
                self._data.get(task)

    @cached_property
    def address(self) -> Address:
        """What travels; raises BadValueError when the store cannot."""
        backend = _pickled(self._store.backend)
        return Address(backend=backend, device=str(self._device), workers=self._workers)

    def __reduce__(self) -> tuple[object, ...]:
        return workplace_at, (self.address,)


def read_task(store: Store, name: TaskName) -> TaskData:
    """A task's images and labels, read again from their source.

    Raises:
        UnknownNameError: There is no such task.
        TaskDataError: The data is gone or has changed since the task was added.
    """
    spec = store.view().task(name)
    return reload(spec, None if spec.data is None else store.get_blob(spec.data))


@lru_cache(maxsize=1)
def workplace_at(address: Address) -> Workplace:
    """This worker's workplace, the same one for every job of the same address."""
    place = post()
    number, watch = (0, lambda _: None) if place is None else (place.number, place.tell)
    device = own_device(address.device, number)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = pickle.loads(address.backend)
    store = Store.open(backend, cache=blob_cache(backend))
    return Workplace(store, device, workers=address.workers, watch=watch)


def activations_disk() -> Disk | None:
    """Where this machine keeps activations of frozen layers; None where the environment gives no room.

    Raises:
        BadValueError: What it gives is no size.
    """
    limit = machine_limit(ACTIVATIONS_VARIABLE, usual_gb="0")
    return Disk(machine_folder() / "activations", limit) if limit else None


def own_device(name: str, number: int) -> torch.device:
    """The device of a worker: workers on `cuda` take its GPUs in turn."""
    device = torch.device(name)
    if name == "cuda":
        return torch.device("cuda", number % torch.cuda.device_count())
    return device


def _pickled(backend: AbstractBackend) -> bytes:
    try:
        return pickle.dumps(backend)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise BadValueError(
            f"The store in {backend} cannot be shared with other processes ({error}). Choose executor = "
            '"inline", or a store in a folder.'
        ) from error
