"""The program: its commands, and what happens with errors."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from taskgrove.cli import create, grow, listing, read, use
from taskgrove.cli.output import err, out
from taskgrove.domain.errors import TaskgroveError
from taskgrove.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="One multitask model that grows for ever.",
)
app.command("init")(create.init)
app.add_typer(create.task_app, name="task")
app.command("grow")(grow.grow)
app.command("run")(grow.run)
app.command("status")(read.status)
app.command("log")(read.log)
app.command("show")(read.show)
app.command("predict")(use.predict)
app.command("evaluate")(use.evaluate)
app.command("report")(read.report)
app.command("check")(read.check)
app.command("list")(listing.list_registered)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"taskgrove {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; exit codes are in `taskgrove.domain.errors`, 130 when interrupted."""
    try:
        app()
    except TaskgroveError as error:
        err.print(f"[bold red]error[/] ({error.kind}): ", end="", highlight=False)
        err.print(str(error), highlight=False, markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("Interrupted. Nothing that was recorded is lost; the same command continues.")
        sys.exit(130)
