"""What a report says about one system in words and tables, as Markdown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Commit, Model, StartExperiment
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.bindings import bindings
from taskgrove.reports.analyses.history import Child, Status, TaskHistory, by_task, children, spent_by
from taskgrove.reports.analyses.knowledge import flow_cells, knowledge_flow
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tasks import Totals, per_task, totals
from taskgrove.reports.analyses.transfer import accuracy_matrix
from taskgrove.reports.analyses.worth import worths
from taskgrove.reports.pages.section import Section, grid
from taskgrove.reports.quantities import MISSING, duration, human, percent, plural
from taskgrove.reports.words import binding_table
from taskgrove.reports.words.table import as_markdown, sharing_sentence
from taskgrove.store.spent import Spent

_KNOWLEDGE_CAPTION = (
    "Which part of the training that a model's parameters have had was performed on the task itself, and on "
    "which other tasks most of the rest, in percent of training cycles per parameter; all of it in "
    "`tables/knowledge.csv`."
)
_BINDINGS_CAPTION = (
    "*Alone* is the task's independent net, *first* its first model in the system, *now* the present one; "
    "*gain* is the part of the independent net's validation error that the present model avoids, *forgotten* "
    "what the test accuracy has lost since the first model, and *changed by* the later tasks whose training "
    "changed the validation accuracy most, in percentage points. All steps are in `tables/bindings.json`."
)
_BUDGET_CAPTION = (
    "A child that diverged counts what it had used until then; tests of published models are in none "
    "of the columns. Training is wall time, added over children; the device's time is that of all cores "
    "together on a CPU."
)


def summary(run: Run) -> Section:
    """The first section, and the table of tasks."""
    rows, total = per_task(run.view, run.evaluations), totals(run.view, run.evaluations)
    table = as_markdown(rows, total) if rows else "No task has been added yet."
    return Section(title="Tasks", parts=(_summary(total), table))


def beside(run: Run) -> Mapping[str, tuple[str, ...]]:
    """What is said below charts, by the chart's name."""
    found = children(run.history)
    return {
        "knowledge": (_knowledge(run.view),),
        "layers": _bindings(run.history),
        "progress": (
            _search(run.view, by_task(found)),
            "### Accepted mutations",
            _mutations(found),
        ),
        "hparams": ("### Hyperparameters that differ from the root's", _hyperparameters(run.view)),
    }


def closing(run: Run) -> tuple[Section, ...]:
    """What the system has cost, and how it came about."""
    return (
        Section(title="Budgets used", parts=(_budgets(spent_by(run.history)),)),
        Section(title="How it was made", parts=(_making(run.view, run.history),)),
    )


def _summary(total: Totals) -> str:
    return (
        f"{plural(total.num_tasks, 'task')}, {total.num_models} with a model. "
        f"Parameters: {sharing_sentence(total)}. "
        f"Mean accuracy: validation {percent(total.mean_val_accuracy)} %, "
        f"test {percent(total.mean_test_accuracy)} %."
    )


def _search(view: SystemView, tasks: Mapping[TaskName, TaskHistory]) -> str:
    if not tasks:
        return "No child has been trained yet."
    headings = ("task", "iterations", "children", "accepted", "rejected", "failed", "best score")
    return grid(
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
    return grid(
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
    return grid(("task", "differs"), lines) if lines else "None."


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
    return f"{grid(('task', 'itself %', 'other tasks %'), cells)}\n\n{_KNOWLEDGE_CAPTION}"


def _bindings(history: Sequence[Commit]) -> tuple[str, ...]:
    """What bind-and-grow chose; nothing for systems that it has had no part in."""
    found = binding_table.of_models(bindings(history))
    if not found:
        return ()
    worth = worths(history)
    return (
        grid(binding_table.HEADINGS, binding_table.cells(found, worth)),
        _BINDINGS_CAPTION,
        binding_table.sentence(worth, accuracy_matrix(history)),
    )


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
    return f"{grid(headings, lines)}\n\n{_BUDGET_CAPTION}"


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
