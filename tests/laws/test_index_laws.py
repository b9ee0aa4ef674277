"""Laws of the index: whatever a store lived through, every answer is that of a plain scan of its log."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from taskgrove.domain.errors import StoreError
from taskgrove.domain.ids import BlobId, ComponentId, ModelId, TaskName
from taskgrove.domain.records import (
    AddEvaluation,
    AddRoot,
    AddTask,
    Commit,
    EndIteration,
    FinishChild,
    Model,
    Note,
    Publish,
    Tag,
    identified,
)
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.blobs import referenced_by
from taskgrove.store.index.answers import Best, Iteration, Relative, Remark, TagName, Use
from taskgrove.store.index.index import Index
from taskgrove.store.state import State
from taskgrove.store.store import Store
from taskgrove.testing.scripts import (
    Step,
    accept,
    add_root,
    add_task,
    begin,
    component,
    end,
    evaluate,
    note,
    play,
    publish,
    reject,
    retire,
    start,
    tag,
)

TASKS = ("a", "b", "c")
ACTIONS = ("accept", "accept", "accept", "end", "end", "begin", "evaluate", "publish", "reject", "retire")
Action = tuple[str, int, int]
actions = st.lists(
    st.tuples(st.sampled_from((*ACTIONS, "tag", "note")), st.integers(0, 2), st.integers(0, 5)),
    min_size=10,
    max_size=45,
)


def bred(parent: Model, task: str, iteration: int, child: int, pick: int) -> tuple[Step, Model]:
    """A child that shares all, some or none of its parent's components, some of them older children's."""
    step, model = accept(parent, task, iteration, child)
    assert isinstance(step.operation, FinishChild)
    new = component("body", f"body {pick % 3}".encode(), b"momentum")
    parts = (parent.components, (new, model.components[1]), (parent.components[0], model.components[1]))
    model = identified(replace(model, components=parts[pick % 3]))
    return Step(
        replace(step.operation, model=model), (*step.blobs, f"body {pick % 3}".encode(), b"momentum")
    ), model


def step_of(state: State, action: Action, child: int) -> Step:
    """An action as a commit, sensible or not: the rules decide."""
    kind, which, pick = action
    view, task = state.view, TASKS[which]
    name, other = TaskName(task), TaskName(TASKS[(which + 1) % 3])
    model = list(view.models.values())[pick % len(view.models)]
    iteration = view.iterations.get(name, 0)
    if kind in ("accept", "end", "publish") and name not in state.open:
        kind = "begin"
    match kind:
        case "begin":
            return begin(task, iteration)
        case "accept":
            # Few numbers: an iteration that begins again breeds some of the same children again.
            return bred(model, task, iteration, child % 4, pick)[0]
        case "reject":
            return reject(model, task, iteration, child)
        case "publish":
            steps = [bred(model, each, iteration, child, pick) for each in (name, other)]
            blobs = tuple(blob for step, _ in steps for blob in step.blobs)
            present = {str(each): view.bests.get(each) for each in (name, other)}
            made = [model for _, model in steps]
            if pick % 2 and view.populations.get(name):  # an accepted child, with another task's new model
                made[0] = view.models[view.populations[name][-1]]
            return replace(publish(made, present, task, iteration), blobs=blobs)
        case "end":
            candidates = [*view.populations.get(name, ()), view.bests.get(name)]
            return end(task, candidates[pick % len(candidates)], iteration)
        case "retire":
            return retire(task) if pick < 3 else add_task(f"task-{child}", f"data {child}".encode())
        case "tag":
            return tag(f"tag-{child}", view.number - pick)
        case "note":
            return note(f"note {child}", task if pick % 2 else None)
        case _:
            return evaluated(model, "test" if child % 3 else "val", accuracy=child / 100)


def evaluated(model: Model, split: str, accuracy: float) -> Step:
    """A published model is measured, each time with another result."""
    operation = evaluate(model, split).operation
    assert isinstance(operation, AddEvaluation)
    return Step(AddEvaluation(evaluation=replace(operation.evaluation, accuracy=accuracy)))


def lived(drawn: list[Action]) -> Store:
    """A store that lived through the actions."""
    store = Store.create(MemoryBackend())
    root, _ = add_root()
    play(store, [root, *map(add_task, TASKS), start(TASKS)])
    for child, action in enumerate(drawn):
        live(store, action, child)
    return store


def live(store: Store, action: Action, child: int) -> None:
    """Do it, if the rules allow."""
    step = step_of(store.state, action, child)
    for data in step.blobs:
        store.put_blob(data)
    with suppress(StoreError, ValueError):
        store.commit(step.operation)


class Scan:
    """The same questions, answered by reading the log up to a commit."""

    def __init__(self, store: Store, at: int) -> None:
        self.state = store.state_at(at)
        self.commits = list(store.history(0, at + 1))
        self.models: dict[ModelId, tuple[Model, int]] = {}
        for commit in self.commits:
            for model in brought(commit):
                self.models.setdefault(model.id, (model, commit.number))

    def test(self, model: ModelId) -> float | None:
        found = [
            commit.operation.evaluation.accuracy
            for commit in self.commits
            if isinstance(commit.operation, AddEvaluation)
            and (commit.operation.evaluation.model, commit.operation.evaluation.split) == (model, "test")
        ]
        return found[-1] if found else None

    def iterations(self, task: TaskName) -> tuple[Iteration, ...]:
        return tuple(self._iterations(task))

    def _iterations(self, task: TaskName) -> Iterator[Iteration]:
        for commit in self.commits:
            match commit.operation:
                case EndIteration(task=ended, best=best, score=score) as operation if ended == task:
                    yield self._iteration(commit.number, operation, best, score)
                case Publish(models=models) as operation:
                    for model in models:
                        if model.task == task:
                            yield self._iteration(commit.number, operation, model.id, None)

    def _iteration(
        self, number: int, of: EndIteration | Publish, model: ModelId | None, score: float | None
    ) -> Iteration:
        return Iteration(
            number=number,
            experiment=of.experiment,
            agent=of.agent,
            iteration=of.iteration,
            model=model,
            score=score,
            quality=None if model is None else self.models[model][0].quality,
            test_accuracy=None if model is None else self.test(model),
        )

    def bests(self) -> tuple[Best, ...]:
        return tuple(self._best(task) for task in sorted(self.state.view.bests))

    def _best(self, task: TaskName) -> Best:
        identity = self.state.view.bests[task]
        with_it = [one for one in self.iterations(task) if one.model == identity]
        # It has been the best since the first of the last iterations that all ended with it.
        before = [one.number for one in self.iterations(task) if one.model != identity]
        since = min(one.number for one in with_it if one.number > max(before, default=-1))
        return Best(
            task=task,
            model=identity,
            since=since,
            quality=self.models[identity][0].quality,
            score=with_it[-1].score,
            test_accuracy=self.test(identity),
        )

    def users(self, identity: ComponentId) -> tuple[Use, ...]:
        view = self.state.view
        return tuple(
            Use(
                model=model.id,
                task=model.task,
                introduced=number,
                live=model.id in view.models,
                best=model.task is not None and view.bests.get(model.task) == model.id,
            )
            for model, number in self.models.values()
            if identity in {part.id for part in model.components}
        )

    def ancestry(self, model: ModelId) -> tuple[Relative, ...]:
        found: list[Relative] = []
        parent = self.models[model][0].parent
        while parent is not None:
            older, number = self.models[parent]
            found.append(Relative(model=parent, task=older.task, introduced=number, distance=len(found) + 1))
            parent = older.parent
        return tuple(found)

    def descendants(self, model: ModelId) -> set[Relative]:
        return {
            replace(relative, model=other, task=young.task, introduced=number)
            for other, (young, number) in self.models.items()
            for relative in self.ancestry(other)
            if relative.model == model
        }


def brought(commit: Commit) -> tuple[Model, ...]:
    """The models of a commit."""
    match commit.operation:
        case AddRoot(model=model):
            return (model,)
        case FinishChild(model=model) if model is not None:
            return (model,)
        case Publish(models=models):
            return models
        case _:
            return ()


def agree(index: Index, store: Store, at: int | None) -> None:
    """Every answer as of a commit is the scan's."""
    scan = Scan(store, store.state.view.number if at is None else at)
    assert index.bests(at) == scan.bests()
    names = {c.operation.task.name for c in scan.commits if isinstance(c.operation, AddTask)}
    assert all(index.iterations(task, at) == scan.iterations(task) for task in names)
    for model, number in scan.models.values():
        assert index.introduced(model.id, at) == number
        assert index.ancestry(model.id) == scan.ancestry(model.id)
        assert set(index.descendants(model.id, at)) == scan.descendants(model.id)
        assert [one.id for one in index.find(model.id[:12], at)] == [model.id]
    components = {part.id for model, _ in scan.models.values() for part in model.components}
    for identity in components:
        users = scan.users(identity)
        assert index.users(identity, at) == users
        found, (first, number) = index.contributor(identity, at), scan.models[users[0].model]
        assert (found.model, found.agent, found.task, found.number) == (
            *(first.id, first.agent, first.task, number),
        )
    introduced: dict[BlobId, int] = {}
    for commit in scan.commits:
        for blob in referenced_by(commit.operation):
            introduced.setdefault(blob, commit.number)
    assert {blob: index.introduced(blob, at) for blob in introduced} == introduced
    tags = [(c.number, c.operation) for c in scan.commits if isinstance(c.operation, Tag)]
    assert index.tags(at) == tuple(TagName(number=n, name=o.name, target=o.number) for n, o in tags)
    notes = [(c.number, c.operation) for c in scan.commits if isinstance(c.operation, Note)]
    remarks = tuple(Remark(number=n, task=o.task, text=o.text) for n, o in notes)
    assert index.notes(None, at) == remarks
    assert index.notes(TaskName("a"), at) == tuple(found for found in remarks if found.task == "a")


@settings(max_examples=40, deadline=None)
@given(actions, st.integers(1, 9), st.data())
def test_every_answer_at_every_commit_is_that_of_a_scan(
    drawn: list[Action], at_once: int, data: st.DataObject
) -> None:
    store = lived(drawn)
    moments = data.draw(st.lists(st.integers(0, store.state.view.number), max_size=3))
    with Index(store, None, at_once=at_once) as index:
        for at in (None, *moments):
            agree(index, store, at)


@settings(max_examples=10, deadline=None)
@given(actions, actions)
def test_an_index_that_is_brought_up_to_date_step_by_step_is_like_a_new_one(
    first: list[Action], drawn: list[Action]
) -> None:
    store = lived(first)
    with tempfile.TemporaryDirectory() as folder, Index(store, Path(folder), at_once=4) as index:
        for child, action in enumerate(drawn, start=len(first)):
            live(store, action, child)
            index.update()
        agree(index, store, None)
    assert index.number == store.state.view.number


def test_a_child_of_an_iteration_that_is_begun_again_lives_twice() -> None:
    store = Store.create(MemoryBackend())
    root, model = add_root()
    step, child = bred(model, "a", 0, 0, 0)
    play(store, [root, *map(add_task, TASKS), start(TASKS), begin("a"), step, begin("a"), step, retire("a")])
    with Index(store, None) as index:
        uses = [index.users(child.components[0].id, at)[-1].live for at in range(6, 10)]
        assert uses == [True, False, True, False]
        for at in range(10):
            agree(index, store, at)
