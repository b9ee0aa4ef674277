"""The continual experiment (µ2Net+, §5, Figure 3): what each segment did to a fixed set of tasks.

    TASKGROVE_DATA=/path/to/npz/files taskgrove run recipes/char8_segments.toml --store segments
    TASKGROVE_DATA=/path/to/npz/files taskgrove run recipes/char8_alone.toml --store alone
    python benchmarks/continual.py segments --alone alone --out benchmarks/results/continual_2cores_2026-11-21

writes `.md` and `.json`: for the tasks of the first segment their mean test accuracy, accounted parameters
(roots not counted as sharers) and FLOPs at the end of every round and segment; for tasks that arrive later,
their accuracy after each of their task iterations, beside the same tasks alone on a system of their own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import taskgrove
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import AddMetrics
from taskgrove.experiment.grove import Grove
from taskgrove.scoring.accounting import accounted_params
from taskgrove.store.state import State, apply


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Some tasks after a round of one experiment; accuracies in [0, 1].

    Attributes:
        round: Task iterations of each task in this experiment.
        children: Of the experiment so far.
    """

    experiment: str
    round: int
    validation: float
    test: float
    params: float
    flops: float
    children: int


def measured(grove: Grove) -> Iterator[tuple[AddMetrics, State]]:
    """The system after every task iteration."""
    state = State()
    for commit in grove.store.history():
        state = apply(state, commit)
        if isinstance(commit.operation, AddMetrics):
            yield commit.operation, state


def point(operation: AddMetrics, state: State, tasks: Sequence[TaskName]) -> Point:
    """The published models of some tasks."""
    view = state.view
    models = [view.models[view.bests[task]] for task in tasks]
    return Point(
        experiment=operation.experiment,
        round=view.progress[operation.experiment][operation.task],
        validation=fmean(model.quality for model in models),
        test=fmean(state.evaluations[model.id]["test"].accuracy for model in models),
        params=fmean(accounted_params(model, view, count_roots=False) for model in models),
        flops=fmean(model.flops for model in models),
        children=state.spent[operation.experiment].children,
    )


def rounds(grove: Grove, tasks: Sequence[TaskName]) -> list[Point]:
    """The tasks after every round in which all of them had a task iteration."""
    found = measured(grove)
    return [point(op, state, tasks) for op, state in found if op.task == tasks[-1]]


def arrivals(grove: Grove, tasks: Sequence[TaskName]) -> dict[TaskName, list[Point]]:
    """Each task after each of its own task iterations."""
    curves: dict[TaskName, list[Point]] = {task: [] for task in tasks}
    for operation, state in measured(grove):
        if operation.task in curves:
            curves[operation.task].append(point(operation, state, [operation.task]))
    return curves


def first_page(points: Sequence[Point]) -> Iterator[str]:
    """The first tasks over all segments."""
    yield "| segment | round | children | validation % | test % | params/task | FLOPs/image |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for p in points:
        segment = p.experiment.partition(".")[2] or p.experiment
        quality = f"{100 * p.validation:.2f} | {100 * p.test:.2f}"
        cost = f"{p.params / 1e6:.3f} M | {p.flops / 1e6:.2f} M"
        yield f"| {segment} | {p.round} | {p.children} | {quality} | {cost} |"


def arrival_page(later: dict[TaskName, list[Point]], alone: dict[TaskName, list[Point]]) -> Iterator[str]:
    """Tasks that arrived later, with and without the system before them."""
    yield "| task | task iteration | in the system: validation %, test % | alone: validation %, test % |"
    yield "| --- | ---: | ---: | ---: |"
    for task, curve in later.items():
        for i, p in enumerate(curve):
            other = alone.get(task, [])[i : i + 1]
            said = f"{100 * other[0].validation:.1f}, {100 * other[0].test:.1f}" if other else "–"
            yield f"| {task} | {i + 1} | {100 * p.validation:.1f}, {100 * p.test:.1f} | {said} |"


def main() -> None:
    """Read the command line and the stores, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--alone", type=Path, default=None)
    parser.add_argument("--out", type=Path, required=True, help="without suffix")
    arguments = parser.parse_args()
    grove = taskgrove.open(arguments.store, writable=False)
    view = grove.view()
    first = next(iter(view.experiments.values())).tasks
    late = [task for task in view.tasks if task not in first]
    points, later = rounds(grove, first), arrivals(grove, late)
    alone = {} if arguments.alone is None else arrivals(taskgrove.open(arguments.alone, writable=False), late)
    page = [f"# The tasks {', '.join(first)} over all segments", "", *first_page(points), ""]
    page += ["# Tasks that arrived later", "", *arrival_page(later, alone), ""] if late else []
    arguments.out.with_suffix(".md").write_text("\n".join(page))
    values = {
        "first": [asdict(p) for p in points],
        "later": {task: [asdict(p) for p in curve] for task, curve in later.items()},
        "alone": {task: [asdict(p) for p in curve] for task, curve in alone.items()},
    }
    arguments.out.with_suffix(".json").write_text(json.dumps(values, indent=1) + "\n")
    print("\n".join(page))


if __name__ == "__main__":
    main()
