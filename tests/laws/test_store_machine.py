"""Several agents, a collector and a storage that fails, in any order: nothing acknowledged is ever lost.

A step is what one of them does next, as small as it can be: an agent may pause for ever between putting a
blob and committing it, while others commit, collect garbage, or die. A plain model remembers what was
acknowledged; the store must agree with it after every step.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from taskgrove.domain.errors import (
    BlobsCollectedError,
    CommitRefusedError,
    EnvironmentFailure,
    StoreCorruptError,
    StoreFormatError,
    UserError,
)
from taskgrove.domain.ids import BlobId, CommitId, TaskName
from taskgrove.domain.records import BeginIteration, Claim, Commit, EndIteration, FinishChild, published_by
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.blobs import blobs_of
from taskgrove.store.keys import BLOBS, blob_id, blob_of
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.store.upkeep.collect import collect
from taskgrove.store.upkeep.retention import Retention
from taskgrove.testing.faults import FaultyBackend, at_random
from taskgrove.testing.scripts import (
    Step,
    accept,
    add_root,
    add_task,
    begin,
    claim,
    end,
    play,
    retire,
    start,
    tag,
)

NUM_AGENTS = 3
TASKS = ("a", "b", "c")
agents = st.integers(0, NUM_AGENTS - 1)
tasks = st.sampled_from(TASKS)
ROOT_STEP, ROOT = add_root()
T = TypeVar("T")


@dataclass(slots=True)
class Agent:
    """A process with a store of its own over the shared, failing storage.

    Attributes:
        store: Its own.
        staged: What it has put the blobs of, but has not committed.
        iteration: Of the task that it is growing, if any.
        task: That task.
        token: Its claim of that task, if any.
    """

    store: Store
    staged: list[tuple[CommitId, Step]] = field(default_factory=list)
    task: str | None = None
    iteration: int = 0
    token: int | None = None


class Agents(RuleBasedStateMachine):
    """The system under test, and the plain model: commits that were acknowledged, by id."""

    def __init__(self) -> None:
        super().__init__()
        self.raw = MemoryBackend()
        play(Store.create(self.raw), [ROOT_STEP, *map(add_task, TASKS), start(TASKS, 99)])
        self.acknowledged: dict[CommitId, Commit] = {}
        self.pinned: set[int] = set()
        self.born = 0
        self.seed = 0
        self.agents: list[Agent] = []

    @initialize(seed=st.integers(0, 2**32))
    def wake_up(self, seed: int) -> None:
        """Every agent opens the store, and grows a task twice, so that there is something to collect."""
        self.seed = seed
        self.agents = [Agent(self.opened(number)) for number in range(NUM_AGENTS)]
        for number, task in enumerate((*TASKS, *TASKS)):
            self.grow(number % NUM_AGENTS, task)

    def opened(self, number: int) -> Store:
        """A new store of a process, whose storage fails at random from then on."""
        self.born += 1
        seed = self.seed + 1000 * self.born + number
        plan = at_random(seed, 0.1, 0.1, errors=0.004, torn_reads=0.004)
        return self.stubborn(lambda: Store.open(FaultyBackend(self.raw, plan)))

    def stubborn(self, action: Callable[[], T]) -> T:
        """Try again as long as the storage fails; what has landed by then must not land twice."""
        for _ in range(50):
            try:
                return action()
            except (EnvironmentFailure, StoreCorruptError, StoreFormatError):
                continue
        return action()

    def put(self, agent: Agent, step: Step) -> None:
        """Put the blobs that a commit will need."""
        for data in step.blobs:
            self.stubborn(partial(agent.store.put_blob, data))

    def commit(self, agent: Agent, identity: CommitId, step: Step) -> bool:
        """Commit, whatever the storage does; False when the rules refuse it."""
        for _ in range(3):
            try:
                done = self.stubborn(
                    partial(agent.store.commit, step.operation, id=identity, claim=agent.token)
                )
            except BlobsCollectedError:
                self.put(agent, step)
            except (CommitRefusedError, UserError):
                return False
            else:
                assert self.acknowledged.setdefault(identity, done) == done
                return True
        return False

    def stored(self) -> set[BlobId]:
        """Blobs that are there under some name."""
        return {name[0] for entry in self.raw.list(BLOBS) if (name := blob_of(entry.key)) is not None}

    def weights(self, store: Store, number: int) -> set[BlobId]:
        """What the models live at a commit need."""
        models = store.state_at(number).view.models.values()
        return {blob for model in models for blob in blobs_of(model)}

    def new_id(self) -> CommitId:
        """A new one."""
        self.born += 1
        return CommitId(f"machine-{self.born}")

    @rule(who=agents, number=st.integers(0, 3))
    def prepare_a_task(self, who: int, number: int) -> None:
        """Blobs of few contents, so that agents meet in them; committed some time later, or never."""
        agent = self.agents[who]
        self.born += 1
        step = add_task(f"task-{self.born}", f"data {number}".encode())
        self.put(agent, step)
        agent.staged.append((self.new_id(), step))

    @rule(who=agents)
    def commit_what_was_prepared(self, who: int) -> None:
        """Long after its blobs were put, maybe."""
        agent = self.agents[who]
        if agent.staged:
            identity, step = agent.staged.pop(0)
            self.commit(agent, identity, step)

    @rule(who=agents, task=tasks, claimed=st.booleans())
    def begin(self, who: int, task: str, claimed: bool) -> None:
        """An agent takes a task over, from itself or from another."""
        agent = self.agents[who]
        if claimed:
            identity = self.new_id()
            if not self.commit(agent, identity, claim(task, f"agent {who}")):
                return
            agent.token = self.acknowledged[identity].number
        else:
            held = agent.store.state.claims.get(TaskName(task))
            agent.token = held.token if held else None
        iteration = agent.store.state.view.iterations.get(TaskName(task), 0)
        if self.commit(agent, self.new_id(), begin(task, iteration)):
            agent.task, agent.iteration = task, iteration

    @rule(who=agents, parent=st.integers(0, 9))
    def train(self, who: int, parent: int) -> None:
        """A child's blobs are put; it is published some time later, or never."""
        agent = self.agents[who]
        if agent.task is None:
            return
        live = list(agent.store.state.view.models.values())
        self.born += 1
        step, _ = accept(live[parent % len(live)], agent.task, agent.iteration, self.born)
        self.put(agent, step)
        agent.staged.append((self.new_id(), step))

    @rule(who=agents)
    def end(self, who: int) -> None:
        """The last of the accepted children becomes the task's model."""
        agent = self.agents[who]
        if agent.task is None:
            return
        task = TaskName(agent.task)
        view = agent.store.state.view
        best = view.populations.get(task, (view.bests.get(task),))[-1]
        self.commit(agent, self.new_id(), end(task, best, agent.iteration))
        agent.task = None

    @rule(who=agents, task=tasks)
    def grow(self, who: int, task: str) -> None:
        """A whole iteration with one child, so that models replace each other often."""
        agent = self.agents[who]
        self.begin(who, task, claimed=False)
        if agent.task == task:
            self.train(who, self.born)
            self.commit(agent, *agent.staged.pop())
            self.end(who)

    @rule(who=agents, other=agents, ancestors=st.sampled_from([None, 0, 0, 1]))
    def collect(self, who: int, other: int, ancestors: int | None) -> None:
        """Garbage is collected without any grace, while others hold blobs that they have not committed.

        Between the search for garbage and its condemnation another agent acts.
        """
        store, turns = self.agents[who].store, iter((self.commit_what_was_prepared, self.name_the_newest))

        def told(what: str, done: int, total: int) -> None:
            turn = next(turns, None) if what == "condemning" and who != other else None
            if turn is not None:
                turn(other)

        with suppress(EnvironmentFailure, StoreCorruptError, StoreFormatError):  # nobody repeats it
            collect(store, Retention(ancestors=ancestors), grace_s=0, told=told)

    def name_the_newest(self, who: int) -> None:
        """The newest commit gets a tag."""
        self.name(who, 0)

    @rule(who=agents, back=st.integers(0, 5))
    def name(self, who: int, back: int) -> None:
        """A commit of the past gets a tag."""
        store = self.agents[who].store
        identity = self.new_id()
        number = max(0, store.state.view.number - back)
        if self.commit(self.agents[who], identity, tag(f"t-{identity}", number)):
            raw = Store.open(self.raw, writable=False)
            if self.weights(raw, number) <= self.stored():  # else some had been collected before
                self.pinned.add(number)

    @rule(who=agents, pick=st.integers(0, 99))
    def retire(self, who: int, pick: int) -> None:
        """One of the tasks that came later leaves."""
        agent = self.agents[who]
        names = [name for name in agent.store.state.view.tasks if name not in TASKS]
        if names:
            self.commit(agent, self.new_id(), retire(names[pick % len(names)]))

    @rule(who=agents)
    def die(self, who: int) -> None:
        """A process is killed and started again; what it had not committed is forgotten."""
        self.agents[who] = Agent(self.opened(who))

    @rule(who=agents)
    def read(self, who: int) -> None:
        """Everything that is live can be read, or the error is the storage's."""
        store = self.agents[who].store
        view = self.stubborn(store.refresh)
        needed: set[BlobId] = {blob for model in view.models.values() for blob in blobs_of(model)}
        needed |= {task.data for task in view.tasks.values() if task.data is not None}
        for blob in needed:
            assert blob_id(self.stubborn(partial(store.get_blob, blob))) == blob

    @invariant()
    def nothing_dangles(self) -> None:
        """What is live, tagged, or may still become a parent can be read."""
        assert check(self.raw).problems == ()
        store = Store.open(self.raw, writable=False)
        stored = self.stored()
        for number in {store.state.view.number, *self.pinned}:
            assert self.weights(store, number) <= stored
        chosen = {parent for opened in store.state.open.values() for parent in opened.parents}
        for commit in store.history():
            for model in published_by(commit):
                assert model.id not in chosen or blobs_of(model) <= stored

    @invariant()
    def nothing_is_lost_or_done_twice(self) -> None:
        """The log holds what was acknowledged, each once; growth carries the newest claim of its task."""
        log = list(Store.open(self.raw, writable=False).history())
        assert len({commit.id for commit in log}) == len(log)
        for commit in self.acknowledged.values():
            assert log[commit.number] == commit
        claims: dict[TaskName, int] = {}
        for commit in log:
            match commit.operation:
                case Claim(task=task):
                    claims[task] = commit.number
                case BeginIteration(task=task) | FinishChild(task=task) | EndIteration(task=task):
                    assert commit.claim == claims.get(task)
                case _:
                    pass


class ManyAgents(Agents):
    """The same for the long test."""


TestFewSteps = Agents.TestCase
TestFewSteps.settings = settings(max_examples=10, stateful_step_count=30, deadline=None)
TestTenThousandSteps = pytest.mark.slow(pytest.mark.timeout(3600)(ManyAgents.TestCase))
TestTenThousandSteps.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
