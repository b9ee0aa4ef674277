"""Laws of the store: replay equals the live state, what is published stays, every prefix is sound."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from taskgrove.domain.errors import StoreError
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import CommitId, TaskName
from taskgrove.domain.records import AddMetrics, AddRoot, Commit, EndIteration, FinishChild, Model
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.checkpoint import CHECKPOINTS
from taskgrove.store.codec import decode, encode
from taskgrove.store.keys import record_key
from taskgrove.store.log import follow, read, replay
from taskgrove.store.segments import THOUSAND
from taskgrove.store.spent import Spent
from taskgrove.store.state import State
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.testing.scripts import (
    EXPERIMENT,
    Step,
    accept,
    add_root,
    add_task,
    begin,
    end,
    evaluate,
    measure,
    play,
    reject,
    start,
)
from tests.laws.examples import examples

ACTIONS = ("accept", "end", "evaluate", "measure", "reject", "fail", "begin", "task")
Action = tuple[str, int, int]
actions = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1), st.integers(0, 5)), min_size=15, max_size=50
)


def step_of(state: State, action: Action, child: int) -> Step:
    """An action as a commit, sensible or not: the rules decide. Nothing but `begin` opens an iteration."""
    kind, which, pick = action
    view, task = state.view, TaskName("ab"[which])
    model = list(view.models.values())[pick % len(view.models)]
    iteration = view.iterations.get(task, 0)
    if kind not in ("evaluate", "measure") and task not in state.open and pick < 5:
        kind = "begin"
    match kind:
        case "task":
            return add_task(f"task-{pick}", b"data")
        case "begin":
            return begin(task, iteration)
        case "accept":
            return accept(model, task, iteration, child)[0]
        case "reject" | "fail":
            return reject(model, task, iteration, child, failed=kind == "fail")
        case "end":
            candidates = [*view.populations.get(task, ()), view.bests.get(task)]
            return end(task, candidates[pick % len(candidates)], iteration)
        case "measure":
            return measure(task, max(iteration - 1, 0))
        case _:
            return evaluate(model)


def grown(drawn: list[Action], thousand: int = THOUSAND) -> tuple[MemoryBackend, list[State]]:
    """A store that lived through the actions, and its state after every commit."""
    backend = MemoryBackend()
    store = Store.create(backend, thousand=thousand)
    root, _ = add_root()
    play(store, [root, add_task("a"), add_task("b"), start("ab")])
    states = [replay(backend, number) for number in range(4)]
    for child, action in enumerate(drawn):
        step = step_of(store.state, action, child)
        for data in step.blobs:
            store.put_blob(data)
        try:
            store.commit(step.operation, meters={"train": 0.1 * child})
        except (StoreError, ValueError):
            continue
        states.append(store.state)
    return backend, states


@examples(25)
@given(actions)
def test_replay_of_the_log_is_the_live_state_at_every_commit(drawn: list[Action]) -> None:
    backend, states = grown(drawn)
    assert [replay(backend, number) for number in range(len(states))] == states
    assert Store.open(backend, writable=False).state == states[-1]


@examples(25)
@given(actions, st.integers(1, 12))
def test_checkpoints_and_segments_tell_what_replay_from_zero_tells(drawn: list[Action], few: int) -> None:
    backend, states = grown(drawn, few)
    assert next(backend.list(CHECKPOINTS), None) is not None
    assert [replay(backend, number, few) for number in range(len(states))] == states
    assert list(follow(backend, 0, "", few)) == list(read(backend, 0, ""))
    for thousand in (few, THOUSAND):
        reader = Store.open(backend, writable=False, thousand=thousand)
        assert reader.state == states[-1]
        assert [*reader.state.view.tasks] == [*states[-1].view.tasks], "tasks keep their order of arrival"


@examples(25)
@given(actions)
def test_what_was_spent_never_falls_and_each_iteration_is_measured_once(drawn: list[Action]) -> None:
    backend, states = grown(drawn)
    operations = [commit.operation for commit in Store.open(backend, writable=False).history()]
    for before, after in pairwise(states):
        assert after.spent.get(EXPERIMENT, Spent()).children >= before.spent.get(EXPERIMENT, Spent()).children
    num_children = sum(isinstance(operation, FinishChild) for operation in operations)
    assert states[-1].spent.get(EXPERIMENT, Spent()).children == num_children
    measured = [(o.task, o.iteration) for o in operations if isinstance(o, AddMetrics)]
    ended = [(o.task, o.iteration) for o in operations if isinstance(o, EndIteration)]
    assert len(set(measured)) == len(measured)
    assert set(measured) <= set(ended)


@examples(25)
@given(actions)
def test_published_models_never_change_and_leave_only_when_replaced(drawn: list[Action]) -> None:
    views = [state.view for state in grown(drawn)[1]]
    for before, after in pairwise(views):
        for model in before.published():
            assert after.models.get(model.id, model) == model
        assert set(before.roots) <= set(after.roots)
        assert all(after.best(task) is not None for task in before.bests)


@examples(25)
@given(actions)
def test_live_models_are_roots_bests_and_open_populations(drawn: list[Action]) -> None:
    for view in (state.view for state in grown(drawn)[1]):
        of_tasks = {*view.bests.values(), *(m for p in view.populations.values() for m in p)}
        assert set(view.models) == {*view.roots, *of_tasks}
        assert all(set(counts) <= set(view.models) for counts in view.selections.values())
        assert all(view.models[best].task == task for task, best in view.bests.items())


@examples(10)
@given(actions, st.data())
def test_every_prefix_of_the_log_passes_check(drawn: list[Action], data: st.DataObject) -> None:
    backend, states = grown(drawn)
    cut = data.draw(st.integers(0, len(states)))
    backend.delete(record_key(number) for number in range(cut, len(states)))
    report = check(backend)
    assert report.problems == ()
    assert report.num_commits == cut


@examples(100)
@given(
    st.dictionaries(
        st.text(),
        st.one_of(
            st.booleans(),
            st.integers(-(2**63), 2**63),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(),
        ),
    ),
    st.floats(0, 1),
)
def test_hyperparameters_survive_encoding_with_their_types(
    hparams: dict[str, HparamValue], quality: float
) -> None:
    model = Model(member="m", num_classes=1, components=(), hparams=hparams, quality=quality)
    commit = Commit(number=0, previous="", id=CommitId("i"), time=0.0, operation=AddRoot(model=model))
    back = decode(encode(commit))
    assert back == commit
    assert isinstance(back.operation, AddRoot)
    assert {k: type(v) for k, v in back.operation.model.hparams.items()} == {
        k: type(v) for k, v in hparams.items()
    }
