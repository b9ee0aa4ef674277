"""Commands that write into a system's history: tags, notes, tasks that leave."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from taskgrove.cli.output import GroveArgument, JsonOption, columns, emit, say
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import TaskName
from taskgrove.experiment import history
from taskgrove.experiment.places import open_index, open_store


def tag(
    grove: GroveArgument,
    name: Annotated[
        str | None, typer.Argument(help="Given for ever; all tags are listed without it.")
    ] = None,
    at: Annotated[str, typer.Option("--at", metavar="COMMIT", help="Number, tag, HEAD~N or ~N.")] = "HEAD",
    json: JsonOption = False,
) -> None:
    """Name a commit, so that what was live there is kept; or list the tags."""
    if name is None:
        tags = open_store(grove).state.tags
        table = columns("tag", "commit")
        for known, number in tags.items():
            table.add_row(known, str(number))
        emit(table, [{"tag": known, "commit": number} for known, number in tags.items()], as_json=json)
        return
    number = history.tag(open_store(grove, writable=True), name, at)
    emit(f"{name}: commit {number}.", {"tag": name, "commit": number}, as_json=json)


def note(
    grove: GroveArgument,
    text: Annotated[str | None, typer.Argument(help="The remark; notes are listed without it.")] = None,
    task: Annotated[str | None, typer.Option(help="What it is about; the whole system by default.")] = None,
    json: JsonOption = False,
) -> None:
    """Write down a remark about the system or a task; or list the notes."""
    if text is not None:
        number = history.note(open_store(grove, writable=True), text, task)
        emit(f"Noted in commit {number}.", {"commit": number}, as_json=json)
        return
    store = open_store(grove)
    if task is not None and task not in store.state.retired:
        store.state.view.task(TaskName(task))
    with open_index(store) as index:
        notes = index.notes(None if task is None else TaskName(task))
    table = columns("commit", "about", "note")
    for found in notes:
        table.add_row(str(found.number), found.task or "", found.text)
    plain = [{"commit": found.number, "task": found.task, "text": found.text} for found in notes]
    emit(table, plain, as_json=json)


def retire(
    grove: GroveArgument,
    name: Annotated[str, typer.Argument(help="Of the task; it stays taken.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Let a task leave the system: its model goes, its history stays readable."""
    store = open_store(grove, writable=True)
    store.state.view.task(TaskName(name))
    if not yes:
        _confirm(name)
    number = history.retire(store, name)
    say(f"{name}: retired in commit {number}. Layers that only it used are garbage from now on.")


def _confirm(name: str) -> None:
    if not sys.stdin.isatty():
        raise BadValueError(f"Task {name!r} would leave for ever; say --yes where nobody can be asked.")
    typer.confirm(f"Task {name!r} leaves the system for ever, and its name stays taken. Go on?", abort=True)
