"""An agent joins a system that others are growing, and builds on what they publish meanwhile."""

from __future__ import annotations

from dataclasses import replace

from taskgrove.coordinator.loop import Run
from taskgrove.coordinator.schedule import Schedule
from taskgrove.domain.ids import TaskName
from taskgrove.domain.jobs import TrainJob
from taskgrove.domain.records import AddTask, Claim, FinishChild, Model
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.testing.layouts import tiny_store, tiny_task
from taskgrove.testing.runs import grow, run_of

OLD, NEW = TaskName("a"), TaskName("late")


def agent_of(task: TaskName, iterations: int) -> Run:
    run = run_of(iterations, [task], name=f"agent:{task}", schedule=Schedule.FREE)
    return replace(run, holder=f"host of {task}")


def test_its_models_use_layers_that_another_agent_published_while_it_ran() -> None:
    backend = MemoryBackend()
    tiny_store(backend, [OLD])
    newcomer, trained = Store.open(backend), 0

    def meanwhile(job: TrainJob) -> None:
        nonlocal trained
        trained += 1
        if trained == 3:  # the old agent publishes twice while the newcomer is in its first iteration
            grow(Store.open(backend), agent_of(OLD, 3))

    grow(Store.open(backend), agent_of(OLD, 1))
    newcomer.commit(AddTask(task=tiny_task(NEW)))
    joined = newcomer.view().number
    grow(newcomer, agent_of(NEW, 6), before_training=meanwhile)
    meanwhile_published = {
        component.id
        for child in children(newcomer, OLD, joined)
        for component in child.components
        if component.last_task == OLD
    }
    of_newcomer = [{component.id for component in child.components} for child in children(newcomer, NEW)]
    assert any(components & meanwhile_published for components in of_newcomer)
    claimed = {c.operation.task for c in newcomer.history() if isinstance(c.operation, Claim)}
    assert claimed == {OLD, NEW}
    assert check(backend, deep=False).ok


def children(store: Store, task: TaskName, start: int = 0) -> list[Model]:
    done = [c.operation for c in store.history(start) if isinstance(c.operation, FinishChild)]
    return [child.model for child in done if child.task == task and child.model is not None]
