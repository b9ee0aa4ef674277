"""Jobs side by side on the machines of a Ray cluster."""

from __future__ import annotations

import logging
import math
import os
import pickle
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from threading import Lock
from typing import Any, ParamSpec, TypeVar, final

from taskgrove.coordinator.base import UNSAID, AbstractExecutor, Hear, Resources
from taskgrove.coordinator.workers.answers import Done, Failed, Told
from taskgrove.coordinator.workers.guest import Guest
from taskgrove.domain.errors import BadValueError, EnvironmentFailure, MissingExtraError

P = ParamSpec("P")
R = TypeVar("R")
TRIES = 3


@final
class RayExecutor(AbstractExecutor):
    """Keeps actors at work that stay warm between jobs, on any machine that has room for one.

    Ray restarts an actor that dies, alone or with its machine; its job is tried again at once by the next
    actor that is free, twice at most. An actor gets jobs only when it has found a place, so a cluster may
    grow and shrink meanwhile. The cluster is the one that the program has joined with `ray.init`; else that
    of `RAY_ADDRESS`, or one that runs on this machine, or one that is started and ended with the executor.

    Args:
        workers: Jobs that run at the same time; 0 for as many as the cluster has room for now.
        hear: Called with what jobs tell, by other threads than the submitting one, but one at a time.
        resources: What an actor holds of its machine for as long as it lives; by default a core.

    Raises:
        MissingExtraError: Ray is not installed.
        EnvironmentFailure: There is no cluster at the address, or it does not let us in.
        BadValueError: The address is for Ray's client; or no machine of the cluster has room, and no
            `workers` say that one will come.
    """

    name = "ray"
    summary = "jobs side by side on the machines of a Ray cluster"
    parallel = True
    elsewhere = True

    def __init__(self, workers: int = 0, hear: Hear = lambda _: None, resources: Resources = UNSAID) -> None:
        self._hear = hear
        self._talk = Lock()
        self._wants = _wants(resources)
        self._actors: list[Any] = []
        self._ray = _imported()
        self._joined = _join(self._ray)
        try:
            self._places = workers or _room(self._ray, self._wants)
        except BadValueError:
            self._part()
            raise
        self.backlog = 2 * self._places
        self._free: SimpleQueue[Any] = SimpleQueue()  # actors, and errors of those that could not be set up
        self._left = False
        self._threads = ThreadPoolExecutor(self._places, thread_name_prefix="taskgrove-ray")

    @classmethod
    def open(cls, workers: int, hear: Hear, resources: Resources = UNSAID) -> RayExecutor:
        return cls(workers, hear, resources)

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        try:
            data = pickle.dumps((fn, args, kwargs))
        except Exception as error:
            future: Future[R] = Future()
            future.set_exception(error)
            return future
        if not self._actors:
            self._engage()
        return self._threads.submit(self._carry_out, data)

    def shutdown(self) -> None:
        self._threads.shutdown(wait=True)
        self._part()

    def abandon(self) -> None:
        self._left = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._dismiss()
        for _ in range(self._places):
            self._free.put(CancelledError())
        self.shutdown()

    def _engage(self) -> None:
        custom = {name: amount for name, amount in self._wants.items() if name not in ("CPU", "GPU")}
        kind = self._ray.remote(Guest).options(
            num_cpus=self._wants.get("CPU", 0),
            num_gpus=self._wants.get("GPU", 0),
            resources=custom,
            max_restarts=-1,
            scheduling_strategy="SPREAD",
        )
        self._actors = [kind.remote(number) for number in range(self._places)]
        for actor in self._actors:
            self._expect(actor)

    def _dismiss(self) -> None:
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors.clear()

    def _part(self) -> None:
        """End the actors, which are idle or not wanted any more, and leave the cluster if we had to join."""
        self._dismiss()
        if self._joined and self._ray.is_initialized():
            self._ray.shutdown()

    def _expect(self, actor: Any) -> None:
        """Count an actor as free once Ray has found a place for it, the first time or again."""
        ready = actor.ready.options(max_task_retries=-1).remote()
        ready.future().add_done_callback(partial(self._take_in, actor))

    def _take_in(self, actor: Any, ready: Future[None]) -> None:
        self._free.put(ready.exception() or actor)

    def _carry_out(self, data: bytes) -> Any:
        said = self._answer(data)
        if isinstance(said, Failed):
            raise said.error
        return said.result

    def _answer(self, data: bytes) -> Done | Failed:
        lost: Exception | None = None
        for _ in range(TRIES):
            actor = self._next_free()
            try:
                said = self._call(actor, data)
            except self._ray.exceptions.RayError as error:
                lost = error
                self._expect(actor)
            except BaseException:  # of the listener; the actor is still at work
                self._expect(actor)
                raise
            else:
                self._free.put(actor)
                return said
        raise EnvironmentFailure(
            f"A job was given up: {TRIES} Ray actors in a row were lost while they worked on it "
            f"({_first_line(lost)}). Probably their machines ran out of memory: ask for more of each in "
            "[resources], or use a smaller train.batch_size. The same command continues the run."
        ) from lost

    def _next_free(self) -> Any:
        actor = self._free.get()
        if self._left:
            raise CancelledError
        if isinstance(actor, Exception):
            self._free.put(actor)  # for all who wait
            raise EnvironmentFailure(
                f"A Ray actor could not be set up ({_first_line(actor)}). Its machine needs the same Python "
                "and the same version of taskgrove; `ray logs` shows what it said."
            ) from actor
        return actor

    def _call(self, actor: Any, data: bytes) -> Done | Failed:
        for reference in actor.call.options(num_returns="streaming").remote(data):
            said: Told | Done | Failed = pickle.loads(self._ray.get(reference))
            if not isinstance(said, Told):
                return said
            with self._talk:
                self._hear(said.message)
        raise AssertionError("a call ends with what became of it")


def _imported() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            "The executor 'ray' needs Ray, which is not installed; run: pip install 'taskgrove[ray]', "
            'or choose executor = "processes" for this machine alone.'
        ) from error
    return ray


def _join(ray: Any) -> bool:
    """Join a cluster, unless the program has; gives whether it had not."""
    if ray.is_initialized():
        return False
    address = os.environ.get("RAY_ADDRESS", "")
    if address.startswith("ray://"):
        raise BadValueError(
            f"RAY_ADDRESS is {address}, which is for Ray's client, and that does not pass on what jobs tell. "
            "Start the run on a node of the cluster, for instance with `ray job submit`."
        )
    try:
        _knock(address)
        # What Ray prints for its workers would mix with what this process prints.
        ray.init(logging_level=logging.WARNING, log_to_driver=False)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        what = f"join the Ray cluster at RAY_ADDRESS={address}" if address else "start Ray on this machine"
        raise EnvironmentFailure(
            f"Could not {what} ({_first_line(error)}). `ray status` says whether a cluster is there, "
            "RAY_AUTH_TOKEN must be its token, and both sides need the same version of Ray."
        ) from error
    return True


def _knock(address: str) -> None:
    """Find out in seconds that nothing is there, which Ray does in minutes; OSError says so."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10.0).close()


def _wants(resources: Resources) -> dict[str, float]:
    """By Ray's names."""
    cpus = 1.0 if resources.cpus is None else resources.cpus
    wants = {"CPU": cpus, "GPU": resources.gpus or 0.0, **resources.custom}
    return {name: amount for name, amount in wants.items() if amount} or {"CPU": 1.0}


def _room(ray: Any, wants: Mapping[str, float]) -> int:
    """Actors that the cluster has room for."""
    nodes: list[Mapping[str, float]] = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    room = sum(
        math.floor(min(has.get(name, 0.0) / amount for name, amount in wants.items())) for has in nodes
    )
    if not room:
        raise BadValueError(
            f"No machine of the Ray cluster has room for a job that needs {_listed(wants)}; together they "
            f"have {_listed(ray.cluster_resources())}. Ask for less in [resources], start a node that has "
            "it, or give workers to wait for one."
        )
    return room


def _listed(amounts: Mapping[str, float]) -> str:
    """Without what Ray counts for itself."""
    own = ("memory", "object_store_memory")
    named = {name: amount for name, amount in amounts.items() if name not in own and ":" not in name}
    return ", ".join(f"{amount:g} {name}" for name, amount in sorted(named.items())) or "nothing"


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0]
