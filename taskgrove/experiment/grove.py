"""The whole system as one object: what the command line and Python programs use."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from taskgrove.coordinator.base import AbstractExecutor, Observe, Work
from taskgrove.coordinator.executors import EXECUTORS
from taskgrove.coordinator.loop import Coordinator
from taskgrove.coordinator.metrics import TEST
from taskgrove.domain.errors import BadValueError, DuplicateNameError, StorePathError
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import BlobId, CommitId, ModelId, TaskName
from taskgrove.domain.jobs import EvaluateJob
from taskgrove.domain.records import AddRoot, AddTask, Evaluation, Model, TaskSpec
from taskgrove.domain.view import SystemView
from taskgrove.experiment.build import (
    build_device,
    build_root,
    build_run,
    build_train,
    check_spec,
    device_of,
    training_of,
)
from taskgrove.experiment.crew import crew_of, needs_of
from taskgrove.experiment.group import lead, refuse_strangers
from taskgrove.experiment.history import Moment, store_at
from taskgrove.experiment.measured import settled
from taskgrove.experiment.places import blob_cache, rooted_store
from taskgrove.experiment.pulse import Pulse, both, new_holder, note_of
from taskgrove.experiment.role import EVERYTHING, Role, in_role, standing
from taskgrove.experiment.searched import searched_values
from taskgrove.experiment.spec import (
    AgentSpec,
    ExperimentSpec,
    RootSpec,
    ScoreSpec,
    TaskEntry,
    TrainSpec,
    check_name,
    digest,
    number_of,
)
from taskgrove.experiment.usual import usual_options
from taskgrove.experiment.workplace import Workplace, activations_disk, read_task
from taskgrove.reports.analyses.bindings import METHOD
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.pages.choice import Choice
from taskgrove.reports.pages.report import Told, write_report
from taskgrove.serving.predict import predict
from taskgrove.serving.prediction import Prediction
from taskgrove.serving.predictor import Predictor
from taskgrove.store.base import AbstractBackend
from taskgrove.store.state import State
from taskgrove.store.store import Store
from taskgrove.store.tensors import read_tensors
from taskgrove.tasks.base import TaskData
from taskgrove.tasks.checks import check_num_classes
from taskgrove.tasks.load import describe, load_raw, normalise_source
from taskgrove.tasks.roles import cut_task, resolve_splits
from taskgrove.tasks.sources.arrays import ArrayData
from taskgrove.trainer.base import Watch
from taskgrove.trainer.distributed import ALONE, Team
from taskgrove.trainer.run import Trainer

GROW_PREFIX = "grow-"
Wrap = Callable[[Work], Work]


class Grove:
    """A multitask system that grows, in a store.

    Make one with `taskgrove.create` or `taskgrove.open`.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    @classmethod
    def create(cls, backend: AbstractBackend, root: RootSpec) -> Grove:
        """A new system that holds nothing but its root model.

        A creation that was interrupted before the root was written is completed.

        Raises:
            StorePathError: There is a system already.
            UnknownNameError: There is no such backbone.
            WeightsError: The weights file does not fit the backbone.
        """
        scratch: dict[str, bytes] = {}
        model = build_root(root, lambda data: _remember(scratch, data))
        store = _create_or_resume(backend)
        for data in scratch.values():
            store.put_blob(data)
        store.commit(AddRoot(model=model))
        return cls(store)

    @classmethod
    def open(cls, backend: AbstractBackend, *, writable: bool = True) -> Grove:
        """An existing system.

        Raises:
            StorePathError: There is no system.
            StoreFormatError: It was written by another version of the format.
            StoreCorruptError: Its log is damaged.
        """
        return cls(rooted_store(backend, writable=writable))

    def view(self) -> SystemView:
        """The system as it is now."""
        return self.store.refresh()

    def at(self, moment: Moment) -> Grove:
        """The system as it was at a commit, only to be read; see `history.store_at`."""
        return Grove(store_at(self.store, moment))

    def add_task(
        self,
        name: str,
        source: str | ArrayData,
        splits: Mapping[str, str] | None = None,
        *,
        allow_overlap: bool = False,
        private: bool = False,
        classes: int | None = None,
    ) -> TaskSpec:
        """Add a task to be learned.

        Args:
            name: Unique in the system.
            source: `<source>:<argument>`, e.g. `npz:mnist.npz`, or `taskgrove.arrays(...)`, which
                is kept in the store.
            splits: Expressions by role (`train`, `val`, `test`), e.g. `{"train": "train[5%:]"}`;
                missing roles get the source's own splits, and validation is cut from train.
            allow_overlap: Accept splits that share images, as some published experiments did.
            private: Never let its models be parents of other tasks' models.
            classes: Number of classes that the data must have; None for any.

        Raises:
            DuplicateNameError: The system has a task of that name.
            TaskDataError: The data cannot be read or cannot be learned from.
        """
        check_name("a task", name)
        if name in self.view().tasks:
            raise DuplicateNameError(
                f"There is a task named {name!r} already; tasks are never replaced. Choose another name."
            )
        blob: BlobId | None = None
        if isinstance(source, ArrayData):
            raw, text = source.raw, source.source
        else:
            raw, text = load_raw(source), source
        check_num_classes(raw.class_names, classes, text)
        chosen = resolve_splits(raw, splits)
        data = cut_task(raw, chosen, allow_overlap=allow_overlap)
        if isinstance(source, ArrayData):
            blob = self.store.put_blob(source.packed)
        spec = replace(describe(TaskName(name), text, chosen, data, blob), private=private)
        self.store.commit(AddTask(task=spec))
        return spec

    def add_root(self, root: RootSpec) -> Model:
        """Publish another root model beside those that the system has; one that it has is left as it is.

        Raises:
            UnknownNameError: There is no such backbone.
            WeightsError: The weights file does not fit the backbone.
        """
        scratch: dict[str, bytes] = {}
        model, view = build_root(root, lambda data: _remember(scratch, data)), self.view()
        for known in (view.models[identity] for identity in view.roots):
            if (known.member, known.components) == (model.member, model.components):
                return known
        for data in scratch.values():
            self.store.put_blob(data)
        # Of processes that add the same root at the same moment, the second repeats the first one's commit.
        self.store.commit(AddRoot(model=model), id=CommitId(f"root {model.id}"))
        return model

    def task_data(self, name: TaskName) -> TaskData:
        """A task's images and labels, read again from their source.

        Raises:
            UnknownNameError: There is no such task.
            TaskDataError: The data is gone or has changed since the task was added.
        """
        return read_task(self.store, name)

    def grow(
        self,
        *,
        agent: str = "mu2net_plus",
        iterations: int = 2,
        tasks: tuple[str, ...] = (),
        seed: int = 0,
        score: ScoreSpec | None = None,
        train: TrainSpec | None = None,
        defaults: Mapping[str, HparamValue] | None = None,
        device: str = "auto",
        executor: str | AbstractExecutor = "",
        workers: int | str = 0,
        schedule: str = "sequential",
        observe: Observe = lambda _: None,
        watch: Watch = lambda _: None,
        options: Mapping[str, HparamValue] | None = None,
        claim: bool = False,
    ) -> SystemView:
        """Evolve the models of all tasks, or of some.

        A call that is interrupted is continued by the same call; once it has ended, the same call
        adds as many iterations again.

        Args:
            agent: A registered search method.
            iterations: Task iterations per task.
            tasks: Names; all tasks by default.
            seed: Every seed derives from it.
            score: What to maximise; quality alone by default.
            train: How children are trained.
            defaults: Other default values for searched hyperparameters.
            device: `auto`, `cpu`, `cuda` or `cuda:N`.
            executor: A registered executor; by default `processes` for several workers, else `inline`. Or
                one that was made for this call, such as a `FuturesExecutor`, and ends with it.
            workers: Children trained at the same time; 0: the executor decides; `measured`: the fastest.
            schedule: `sequential`, `rounds` or `free`; see `coordinator.schedule`.
            observe: Told of every child and iteration.
            watch: Told after every train cycle.
            options: The method's own settings, e.g. `{"generations": 4, "children": 8}`.
            claim: Claim the tasks, as agents do that join and leave: the same settings go on with the
                same experiment, and whoever grew these tasks before is refused from now on.
        """
        view = self.view()
        made = executor if isinstance(executor, AbstractExecutor) else None
        role = Role(claims=claim)
        spec = ExperimentSpec(
            name="grow",
            seed=seed,
            device=device,
            executor=made.name if made else str(executor) or ("inline" if workers in (0, 1) else "processes"),
            workers=workers,
            schedule=schedule,
            agent=AgentSpec(method=agent, iterations=iterations, options=options or {}),
            score=score or ScoreSpec(),
            train=train or TrainSpec(),
            defaults=defaults or {},
            tasks=tuple(TaskEntry(name=n, source=view.task(TaskName(n)).source) for n in tasks or view.tasks),
        )
        return self._carry_out(self._named(spec, role), observe, watch, role=role, made=made)

    def run(
        self,
        spec: ExperimentSpec,
        observe: Observe = lambda _: None,
        watch: Watch = lambda _: None,
        team: Team = ALONE,
        role: Role = EVERYTHING,
        wrap: Wrap = lambda work: work,
    ) -> SystemView:
        """Carry out an experiment: add the tasks that are missing, then grow; or continue one.

        Args:
            spec: What to carry out.
            observe: Told of every child and iteration.
            watch: Told after every train cycle.
            team: Whom this process leads; see `experiment.group`.
            role: What of it this process does; see `experiment.role`.
            wrap: Given what jobs do, returns what they shall do instead, such as remember results.

        Raises:
            BadValueError: The store holds an experiment of that name with other settings, a task
                of the same name with other data, or another root.
        """
        self.prepare(spec)
        return self._carry_out(settled(spec, self.store), observe, watch, team, role, wrap=wrap)

    def prepare(self, spec: ExperimentSpec) -> SystemView:
        """Add the tasks and roots of an experiment that are missing, and grow nothing.

        Raises:
            BadValueError: The store holds a task of the same name with other data, or another root.
        """
        check_spec(spec)
        self._check_root(spec.root)
        for group in spec.groups:
            if group.root is not None:
                self.add_root(group.root)
        view = self.view()
        for entry in spec.tasks:
            known = view.tasks.get(TaskName(entry.name)) or self._added(entry)
            _check_same(known, entry)
        return self.view()

    def predict(self, task: str, images: NDArray[np.generic], *, device: str = "cpu") -> Prediction:
        """Classify uint8 images with the task's published model; see `serving.predict`."""
        return predict(self.view(), self._tensors, TaskName(task), images, device=build_device(device))

    def predictor(
        self, tasks: Iterable[str] | None = None, *, device: str = "cpu", remember_bytes: int = 0
    ) -> Predictor:
        """Answers for several tasks at once, as of now; see `serving.predictor`.

        Args:
            tasks: All with a model by default.
            device: Where it computes.
            remember_bytes: For images that are asked for again.
        """
        names = None if tasks is None else [TaskName(task) for task in tasks]
        where = build_device(device)
        return Predictor(self.view(), self._tensors, names, device=where, remember_bytes=remember_bytes)

    def evaluate(self, task: str, split: str = "test", *, device: str = "auto") -> Evaluation:
        """Accuracy of the task's published model on a whole split, measured anew in float32."""
        view = self.view()
        view.task(TaskName(task))
        model = view.best(TaskName(task))
        if model is None:
            raise BadValueError(f"Task {task!r} has no model yet; run `taskgrove grow` first.")
        trainer = Trainer(self.store, self.task_data, build_device(device), disk=activations_disk())
        threads = build_train(TrainSpec(), build_device("cpu")).threads
        return trainer.evaluate(EvaluateJob(model=model.id, split=split, threads=threads))

    def evaluations(self) -> Mapping[ModelId, Mapping[str, Evaluation]]:
        """Recorded accuracies by model and split; what agents never see."""
        self.store.refresh()
        return self.store.state.evaluations

    def report(
        self,
        folder: Path,
        title: str = "Taskgrove",
        *,
        only: Iterable[str] = (),
        formats: Iterable[str] = (),
        told: Told | None = None,
    ) -> tuple[Path, ...]:
        """Write a page with tables and charts of the system into a folder; returns the files, the page first.

        Args:
            folder: Made when missing.
            title: Of the page.
            only: Names of charts, see `taskgrove list charts`; all that have something to say when empty.
            formats: `html`, `md`, `svg`, `png`, `gif`, `csv`, `json`; all when empty.
            told: Told what is being done, how many are done, of how many.

        Raises:
            UnknownNameError: No chart of one system, or no format, has a name that was given.
            BadValueError: The path, or a parent of it, is a file.
        """
        choice = Choice.of(only, formats)
        run = Run(
            view=self.view(),
            history=list(self.store.history()),
            evaluations=self.evaluations(),
            usual=usual_options(METHOD),
            valid=searched_values(self.view()),
        )
        return write_report(folder, run, title, choice, told)

    def _carry_out(
        self,
        spec: ExperimentSpec,
        observe: Observe,
        watch: Watch,
        team: Team = ALONE,
        role: Role = EVERYTHING,
        made: AbstractExecutor | None = None,
        wrap: Wrap = lambda work: work,
    ) -> SystemView:
        refuse_strangers(team)
        device, kind, holder = device_of(spec), EXECUTORS[spec.executor], new_holder()
        run = in_role(build_run(spec, self.view(), training_of(spec)), role, holder)
        _check_continues(self.view(), run.start.experiment, run.start.digest)
        crew = crew_of(spec, device)
        place = Workplace(self.store, device, workers=crew.workers, watch=watch, team=team)
        place.prepare(run.mine or run.start.tasks, travels=kind.parallel)
        work = lead(
            team,
            wrap(Work(train=place.train, evaluate=place.evaluate, study=place.study, meters=place.meters)),
        )
        note = note_of(holder, run, spec.agent.method, str(device), self.store.clock())
        workers = number_of(spec.workers) if kind.elsewhere else crew.workers
        opened = made or kind.open(workers, watch, needs_of(spec, device, crew))
        with opened as executor, Pulse(self.store.backend, note) as pulse:
            return Coordinator(self.store, run, executor, work, both(pulse.observe, observe)).grow()

    def _added(self, entry: TaskEntry) -> TaskSpec:
        """Add a task of an experiment, unless another process that carries it out has just done so."""
        try:
            return self.add_task(
                entry.name,
                entry.source,
                entry.splits(),
                allow_overlap=entry.allow_overlap,
                private=entry.private,
                classes=entry.classes,
            )
        except DuplicateNameError:
            known = self.view().tasks.get(TaskName(entry.name))
            if known is None:
                raise
            return known

    def _named(self, spec: ExperimentSpec, role: Role) -> ExperimentSpec:
        """What `grow` was asked for under the name of the experiment that it goes on with."""
        spec = settled(spec, self.store)
        config = training_of(spec)
        identity = digest(spec, config.precision, config.threads)
        if role.claims:
            return standing(spec, identity, self.view())
        names = tuple(TaskName(task.name) for task in spec.tasks)
        return replace(spec, name=_grow_name(self.store.state, identity, names, spec.agent.iterations))

    def _tensors(self, blob: BlobId) -> dict[str, Tensor]:
        return read_tensors(self.store, blob)

    def _check_root(self, spec: RootSpec) -> None:
        view = self.view()
        wanted = build_root(spec, lambda data: _remember({}, data))
        if wanted.components != view.models[view.roots[0]].components:
            root = view.models[view.roots[0]]
            raise BadValueError(
                f"The experiment starts from {spec.member} (weights {spec.weights or 'random'}, seed "
                f"{spec.seed}) but this system grows from another root, {root.member} {root.id[:12]}. "
                "Use an empty store, or the root that the system has."
            )


def _remember(blobs: dict[str, bytes], data: bytes) -> BlobId:
    """Keep a blob in memory under the id that a store would give it."""
    identity = BlobId(hashlib.sha256(data).hexdigest())
    blobs[identity] = data
    return identity


def _create_or_resume(backend: AbstractBackend) -> Store:
    """A new store, or one whose creation ended before its root was written."""
    try:
        return Store.create(backend, cache=blob_cache(backend))
    except StorePathError as occupied:
        try:
            store = Store.open(backend, cache=blob_cache(backend))
        except StorePathError:
            raise occupied from None
        if store.refresh().roots:
            raise
        return store


def _grow_name(state: State, identity: str, tasks: tuple[TaskName, ...], iterations: int) -> str:
    """The interrupted run of the same settings, or the next free number."""
    view = state.view
    numbers = [
        int(name.removeprefix(GROW_PREFIX))
        for name in view.experiments
        if name.removeprefix(GROW_PREFIX).isdecimal() and name.startswith(GROW_PREFIX)
    ]
    newest = max(numbers, default=0)
    name = f"{GROW_PREFIX}{newest}"
    if newest:
        start = view.experiments[name]
        finished = view.progress.get(name, {})
        bests = (view.bests[task] for task in start.tasks if task in view.bests)
        untested = any(TEST not in state.evaluations.get(best, {}) for best in bests)
        unmeasured = any(experiment == name for experiment, _ in state.unmeasured.values())
        unfinished = (
            untested or unmeasured or any(finished.get(task, 0) < start.iterations for task in start.tasks)
        )
        if unfinished and (start.digest, start.tasks, start.iterations) == (identity, tasks, iterations):
            return name
    return f"{GROW_PREFIX}{newest + 1}"


def _check_continues(view: SystemView, name: str, identity: str) -> None:
    started = view.experiments.get(name)
    if started is not None and started.digest != identity:
        raise BadValueError(
            f"Experiment {name!r} was started in this store with other settings. Only its tasks and "
            "agent.iterations may change; give the changed experiment another name. "
            f"It was started with: {started.spec}"
        )


def _check_same(known: TaskSpec, entry: TaskEntry) -> None:
    source = normalise_source(entry.source)
    differs = {role: text for role, text in entry.splits().items() if known.splits[role] != text}
    if known.source != source or differs:
        raise BadValueError(
            f"The store has a task {entry.name!r} from {known.source} with splits {dict(known.splits)}; the "
            f"experiment wants {source} with {differs or 'the same splits'}. Give the new task another name."
        )
