"""Commands that begin: a system, and its tasks."""

from __future__ import annotations

from typing import Annotated

import typer

import taskgrove
from taskgrove.cli.listing import SourceOption, sources_of
from taskgrove.cli.output import GroveArgument, JsonOption, columns, emit, err, say
from taskgrove.cli.reading import reading_shown
from taskgrove.domain.records import TaskSpec
from taskgrove.experiment.places import open_store
from taskgrove.experiment.suites.binding import bound_tasks
from taskgrove.experiment.suites.reading import suite_of
from taskgrove.experiment.variables import filled

task_app = typer.Typer(no_args_is_help=True, help="Add tasks and list them.")


def init(
    grove: GroveArgument,
    root: Annotated[str, typer.Option(help="Backbone of the root model.")] = "vit-ti3",
    weights: Annotated[
        str, typer.Option(help="random, glyphs, a weights file, or hub:<owner>/<repo>, maybe with /<file>.")
    ] = "random",
    seed: Annotated[int, typer.Option(help="Of the random initialisation.")] = 0,
) -> None:
    """Make a new system that holds nothing but its root model."""
    made = taskgrove.create(grove, root=root, weights=weights, seed=seed)
    view = made.view()
    model = view.models[view.roots[0]]
    origin = "random initialisation" if weights == "random" else f"weights {weights}"
    say(f"{grove}: root {model.member}, {model.num_params:,} parameters, {origin}.")


@task_app.command("add")
def add(
    grove: GroveArgument,
    name: Annotated[str, typer.Argument(help="Unique in the system.")],
    source: Annotated[str, typer.Argument(help="e.g. npz:mnist.npz, folder:photos, glyphs:greek.")],
    train: Annotated[str | None, typer.Option(help="e.g. 'train[5%:]'.")] = None,
    val: Annotated[str | None, typer.Option(help="e.g. 'train[:5%]'.")] = None,
    test: Annotated[str | None, typer.Option(help="e.g. 'test'.")] = None,
    allow_overlap: Annotated[bool, typer.Option(help="Accept splits that share images.")] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Never let its models be parents of other tasks' models.")
    ] = False,
) -> None:
    """Add a task; its images are read once to check them."""
    given = {"train": train, "val": val, "test": test}
    splits = {role: text for role, text in given.items() if text is not None}
    with reading_shown(err):
        spec = taskgrove.open(grove).add_task(
            name, source, splits or None, allow_overlap=allow_overlap, private=private
        )
    sizes = ", ".join(f"{role} {size:,} ({spec.splits[role]})" for role, size in spec.sizes.items())
    say(f"{name}: {spec.num_classes} classes; {sizes}.")


@task_app.command("suite")
def add_suite(
    grove: GroveArgument,
    name: Annotated[str, typer.Argument(help="See `taskgrove list suites`.")],
    source: SourceOption = None,
) -> None:
    """Add all tasks of a suite that the system does not have yet."""
    entries = bound_tasks(suite_of(name), sources_of(source))
    system = taskgrove.open(grove)
    for entry in entries:
        if entry.name not in system.view().tasks:
            where, splits = filled(entry.source), entry.splits() or None
            with reading_shown(err):
                spec = system.add_task(
                    entry.name,
                    where,
                    splits,
                    allow_overlap=entry.allow_overlap,
                    private=entry.private,
                    classes=entry.classes,
                )
            say(f"{entry.name}: {spec.num_classes} classes, {spec.sizes['train']:,} training images.")


@task_app.command("list")
def list_tasks(grove: GroveArgument, json: JsonOption = False) -> None:
    """List the tasks with their sources and splits."""
    tasks = tuple(open_store(grove).state.view.tasks.values())
    table = columns("task", "classes", "train", "val", "test", "image", "source")
    for spec in tasks:
        sizes = (f"{spec.sizes[role]:,}" for role in ("train", "val", "test"))
        shape = "×".join(str(n) for n in spec.image_shape)
        table.add_row(spec.name, str(spec.num_classes), *sizes, shape, spec.source)
    emit(table, [_as_json(spec) for spec in tasks], as_json=json)


def _as_json(spec: TaskSpec) -> dict[str, object]:
    return {
        "task": spec.name,
        "classes": spec.num_classes,
        "sizes": dict(spec.sizes),
        "splits": dict(spec.splits),
        "image_shape": list(spec.image_shape),
        "source": spec.source,
        "fingerprint": spec.fingerprint,
    }
