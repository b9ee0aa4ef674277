"""The text of a report, as Markdown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Commit, Model, StartExperiment
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.bindings import bindings
from taskgrove.reports.analyses.history import Child, Status, TaskHistory, by_task, children, spent_by
from taskgrove.reports.analyses.knowledge import flow_cells, knowledge_flow
from taskgrove.reports.analyses.tasks import TaskRow, Totals
from taskgrove.reports.analyses.transfer import accuracy_matrix
from taskgrove.reports.analyses.worth import worths
from taskgrove.reports.quantities import MISSING, duration, human, percent, plural
from taskgrove.reports.words import binding_table
from taskgrove.reports.words.table import as_markdown, sharing_sentence
from taskgrove.store.spent import Spent

_GRAPH_CAPTION = (
    "Each task enters at the bottom (triangle) and follows the line of its colour through its model's "
    "components (circles) to its head (rectangle, validation accuracy in percent). A component has the "
    "colour of the task that trained it last, grey if it still carries a root's parameters; (n) is the "
    "number of tasks it has been trained on. Final norms are not shown: they are cloned with the head."
)
_METRICS_CAPTION = (
    "After each task iteration, over the tasks that have a model by then; numbers in `metrics.csv`. A dashed "
    "line marks where another experiment takes over."
)
_KNOWLEDGE_CAPTION = (
    "Which part of the training that a model's parameters have had was performed on the task itself, and on "
    "which other tasks most of the rest, in percent of training cycles per parameter; all of it in "
    "`knowledge.csv`."
)
_CONFLICTS_CAPTION = (
    "How much the task of each row conflicts with those it was compared with: the norm of its layers' "
    "conflicts. A frame marks the task that it was bound to."
)
_LAYERS_CAPTION = (
    "How much each layer conflicts between a task and the one it was bound to. A frame marks the layers "
    "that the task got copies of; the others are shared."
)
_BINDINGS_CAPTION = (
    "*Alone* is the task's independent net, *first* its first model in the system, *now* the present one; "
    "*gain* is the part of the independent net's validation error that the present model avoids, *forgotten* "
    "what the test accuracy has lost since the first model, and *changed by* the later tasks whose training "
    "changed the validation accuracy most, in percentage points. All steps are in `bindings.json`."
)
_BUDGET_CAPTION = (
    "A child that diverged counts what it had used until then; tests of published models are in none "
    "of the columns. Training is wall time, added over children; the device's time is that of all cores "
    "together on a CPU."
)


def page(
    view: SystemView, history: Sequence[Commit], rows: Sequence[TaskRow], total: Totals, title: str
) -> str:
    """The whole page; pictures are referred to by file name."""
    found = children(history)
    sections = [
        f"# {title}",
        _summary(total),
        "## Tasks",
        as_markdown(rows, total) if rows else "No task has been added yet.",
        "## Multitask graph",
        f"![multitask graph](graph.png)\n\n{_GRAPH_CAPTION}",
        "## Accuracy and cost",
        "![accuracy against accounted parameters and FLOPs](size.png)",
        "## The system over time",
        f"![metrics after each task iteration](metrics.png)\n\n{_METRICS_CAPTION}",
        "## Knowledge flow",
        _knowledge(view),
        *_bindings(history),
        "## Search",
        "![progress](progress.png)",
        _search(view, by_task(found)),
        "## Accepted mutations",
        _mutations(found),
        "## Hyperparameters that differ from the root's",
        _hyperparameters(view),
        "## Budgets used",
        _budgets(spent_by(history)),
        "## How it was made",
        _making(view, history),
    ]
    return "\n\n".join(section.rstrip("\n") for section in sections) + "\n"


def _summary(total: Totals) -> str:
    return (
        f"{plural(total.num_tasks, 'task')}, {total.num_models} with a model. "
        f"Parameters: {sharing_sentence(total)}. "
        f"Mean accuracy: validation {percent(total.mean_val_accuracy)} %, "
        f"test {percent(total.mean_test_accuracy)} %."
    )


def _table(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [headings, ["---"] * len(headings), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _search(view: SystemView, tasks: Mapping[TaskName, TaskHistory]) -> str:
    if not tasks:
        return "No child has been trained yet."
    headings = ("task", "iterations", "children", "accepted", "rejected", "failed", "best score")
    return _table(
        headings,
        (
            (
                task,
                str(view.iterations.get(task, 0)),
                str(summary.trained),
                *(str(summary.counts.get(status, 0)) for status in Status),
                MISSING if summary.best_score is None else f"{summary.best_score:.4f}",
            )
            for task, summary in tasks.items()
        ),
    )


def _mutations(found: Sequence[Child]) -> str:
    tried = Counter(name for child in found for name in child.mutations)
    accepted = Counter(name for child in found if child.status is Status.ACCEPTED for name in child.mutations)
    if not accepted:
        return "None yet."
    ranked = sorted(accepted.items(), key=lambda item: (-item[1], item[0]))
    return _table(
        ("mutation", "accepted", "tried"),
        ((f"`{name}`", str(count), str(tried[name])) for name, count in ranked),
    )


def _hyperparameters(view: SystemView) -> str:
    defaults: dict[str, dict[str, HparamValue]] = {}
    for root in (view.models[identity] for identity in view.roots):
        defaults.setdefault(root.member, {}).update(root.hparams)
    lines = [
        (task, ", ".join(f"`{name} = {value}`" for name, value in changed.items()))
        for task in view.tasks
        if (model := view.best(task)) is not None
        and (changed := _changed(model, defaults.get(model.member, {})))
    ]
    return _table(("task", "differs"), lines) if lines else "None."


def _changed(model: Model, defaults: Mapping[str, HparamValue]) -> dict[str, HparamValue]:
    return {
        name: value
        for name, value in sorted(model.hparams.items())
        if name not in defaults or defaults[name] != value
    }


def _knowledge(view: SystemView) -> str:
    cells = flow_cells(knowledge_flow(view))
    if not cells:
        return "No task has a model yet."
    return f"{_table(('task', 'itself %', 'other tasks %'), cells)}\n\n{_KNOWLEDGE_CAPTION}"


def _bindings(history: Sequence[Commit]) -> list[str]:
    """What bind-and-grow chose; nothing for systems that it has had no part in."""
    found = binding_table.of_models(bindings(history))
    if not found:
        return []
    worth = worths(history)
    return [
        "## Bindings",
        f"![conflicts between tasks](conflicts.png)\n\n{_CONFLICTS_CAPTION}",
        f"![conflicts by layer](layers.png)\n\n{_LAYERS_CAPTION}",
        _table(binding_table.HEADINGS, binding_table.cells(found, worth)),
        _BINDINGS_CAPTION,
        binding_table.sentence(worth, accuracy_matrix(history)),
    ]


def _budgets(found: Mapping[str, Spent]) -> str:
    if not found:
        return "Nothing yet."
    lines = (
        (
            f"`{name}`",
            str(spent.children),
            str(spent.failed),
            human(spent.samples),
            human(spent.flops),
            duration(spent.train_s),
            duration(spent.device_s),
        )
        for name, spent in found.items()
    )
    headings = ("experiment", "children", "failed", "images", "FLOPs", "training", "device")
    return f"{_table(headings, lines)}\n\n{_BUDGET_CAPTION}"


def _making(view: SystemView, history: Sequence[Commit]) -> str:
    lines = [f"- Commit {view.number}; {plural(len(history), 'commit')} read."]
    lines += [f"- {_experiment(start)}" for start in view.experiments.values()]
    if history:
        elapsed = duration(history[-1].time - history[0].time)
        lines.append(f"- Time from the first commit to the last: {elapsed}.")
    return "\n".join(lines)


def _experiment(start: StartExperiment) -> str:
    spec = json.loads(start.spec)
    seed = f", seed {spec['seed']}" if isinstance(spec, dict) and "seed" in spec else ""
    work = f"{plural(len(start.tasks), 'task')}, {plural(start.iterations, 'iteration')} each"
    return f"Experiment `{start.experiment}`: {work}{seed}, digest `{start.digest[:12]}`."
