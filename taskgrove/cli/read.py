"""Commands that look at a system."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group

from taskgrove.cli.counting import Counting
from taskgrove.cli.output import AtOption, GroveArgument, JsonOption, emit, err, say
from taskgrove.cli.use import opened
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import TaskName
from taskgrove.experiment.history import commit_number, state_at
from taskgrove.experiment.lookup import describe
from taskgrove.experiment.places import open_index, open_store
from taskgrove.reports.analyses.diff import diff as compare
from taskgrove.reports.analyses.duty import NEWEST, duty, known
from taskgrove.reports.analyses.tasks import per_task, totals
from taskgrove.reports.pages.tensorboard import export
from taskgrove.reports.quantities import human
from taskgrove.reports.words.diff_table import as_rich as diff_rich
from taskgrove.reports.words.log import as_json as log_json
from taskgrove.reports.words.log import as_rich as log_rich
from taskgrove.reports.words.log import lines, selected
from taskgrove.reports.words.show import describe_system
from taskgrove.reports.words.table import as_json, as_rich


def status(grove: GroveArgument, at: AtOption = None, json: JsonOption = False) -> None:
    """Show where the system stands: tasks, accuracies, sizes, what sharing saves."""
    store = open_store(grove)
    state = state_at(store, at)
    view, evaluations = state.view, state.evaluations
    stop = view.number + 1
    newest = store.history(max(0, stop - NEWEST), stop) if known(state) else ()
    described = describe_system(view, state.spent, duty(newest))
    rows, total = per_task(view, evaluations), totals(view, evaluations)
    shown = Group(described.as_rich(), as_rich(rows, total))
    emit(shown, {**described.as_json(), **as_json(rows, total)}, as_json=json)


def log(
    grove: GroveArgument,
    last: Annotated[int, typer.Option("-n", "--last", help="Only the newest commits; 0 for all.")] = 20,
    task: Annotated[str | None, typer.Option(help="Only commits about this task.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind, e.g. finish_child, tag, note.")] = None,
    since: Annotated[str | None, typer.Option(metavar="COMMIT", help="The first one to show.")] = None,
    until: Annotated[str | None, typer.Option("--until", "--at", metavar="COMMIT", help="The last.")] = None,
    json: JsonOption = False,
) -> None:
    """Show the commits, one line each, the newest last."""
    if last < 0:
        raise BadValueError(f"--last must not be negative, got {last}; 0 shows all commits.")
    store = open_store(grove)
    state = store.state
    start = 0 if since is None else commit_number(since, state)
    stop = 1 + (state.view.number if until is None else commit_number(until, state))
    if task is not None and task not in state.retired:
        state.view.task(TaskName(task))
    if last and task is None and kind is None:
        start = max(start, stop - last)
    found = selected(store.history(start, stop), None if task is None else TaskName(task), kind)
    shown = lines(deque(found, maxlen=last or None))
    emit(log_rich(shown), log_json(shown), as_json=json)


def show(
    grove: GroveArgument,
    what: Annotated[
        str, typer.Argument(help="A task, a tag, a commit's number, or the first digits of an id.")
    ],
    at: AtOption = None,
    json: JsonOption = False,
) -> None:
    """Show a task's model and history, a model, where a component comes from, or a commit in full."""
    store = open_store(grove)
    with open_index(store) as index:
        described = describe(what, store, state_at(store, at), index)
    emit(described.as_rich(), described.as_json(), as_json=json)


def diff(
    grove: GroveArgument,
    before: Annotated[str, typer.Argument(metavar="A", help="A commit: number, tag, HEAD~N.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another.")] = "HEAD",
    json: JsonOption = False,
) -> None:
    """Show what changed from one commit to another: tasks, models, layers, accuracies, sizes."""
    store = open_store(grove)
    states = state_at(store, before), state_at(store, after)
    with open_index(store) as index:
        scores = [{best.task: best.score for best in index.bests(state.view.number)} for state in states]
    found = compare(*states, *scores)
    emit(diff_rich(found), found.as_json(), as_json=json)


def tensorboard(
    grove: GroveArgument,
    folder: Annotated[Path, typer.Argument(help="TensorBoard's log directory; its runs are renewed.")],
) -> None:
    """Write the history as curves for TensorBoard: children, published models, metrics of the system."""
    written = export(open_store(grove).history(), folder)
    say(f"{human(written)} values below {folder}; look at them with: tensorboard --logdir {folder}")


def report(
    grove: GroveArgument,
    folder: Annotated[Path, typer.Argument(help="Where to write it; renewed when it exists.")],
    at: AtOption = None,
    title: Annotated[str, typer.Option(help="Of the page of a system.")] = "Taskgrove",
    only: Annotated[
        list[str] | None, typer.Option(help="Only these charts, e.g. graph,pareto; see `list charts`.")
    ] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="Only these: html, md, svg, png, gif, csv, json.")
    ] = None,
) -> None:
    """Write a page with tables and charts of a system, or of a comparison, into a folder."""
    # A comparison is read by what carries it out, which loads torch.
    from taskgrove.experiment.comparison.read import is_comparison, report_comparison

    wanted, suffixes = only or (), formats or ()
    with Counting(err) as counting:
        if is_comparison(grove):
            if at is not None:
                raise BadValueError("--at is of one system; a comparison has many. Leave it out.")
            written = report_comparison(grove, folder, only=wanted, formats=suffixes, told=counting.told)
        else:
            system = opened(grove, at)
            written = system.report(folder, title, only=wanted, formats=suffixes, told=counting.told)
    say(str(written[0]))
