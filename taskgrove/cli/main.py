"""The program: its commands, and what happens with errors."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from taskgrove.cli import (
    agent,
    compare,
    copying,
    create,
    grow,
    history,
    listing,
    measure,
    pretrain,
    read,
    search,
    upkeep,
    use,
)
from taskgrove.cli.output import err, say
from taskgrove.domain.errors import EnvironmentFailure, TaskgroveError
from taskgrove.version import __version__

_INTERRUPTED = 130
"""The exit code that Typer gives to a keyboard interrupt, as shells do."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="One multitask model that grows for ever.",
)
app.command("init")(create.init)
create.task_app.command("retire")(history.retire)
app.add_typer(create.task_app, name="task")
app.command("grow")(grow.grow)
app.command("run")(grow.run)
app.command("agent")(agent.agent)
app.command("agents")(agent.agents)
app.command("compare")(compare.compare)
app.command("measure")(measure.measure)
app.command("search")(search.search)
app.command("pick")(search.pick)
app.command("status")(read.status)
app.command("log")(read.log)
app.command("show")(read.show)
app.command("diff")(read.diff)
app.command("tag")(history.tag)
app.command("note")(history.note)
app.command("predict")(use.predict)
app.command("evaluate")(use.evaluate)
app.command("report")(read.report)
app.command("tensorboard")(read.tensorboard)
app.command("check")(upkeep.check)
app.command("gc")(upkeep.gc)
app.command("mirror")(copying.mirror)
app.command("fork")(copying.fork)
app.command("pretrain")(pretrain.pretrain)
app.command("list")(listing.list_registered)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"taskgrove {__version__}")
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
        app(prog_name="taskgrove")
    except TaskgroveError as error:
        _fail(error)
    except OSError as error:  # of a path or a stream that no seam has met
        _fail(EnvironmentFailure(f"{error}. Check the path, the disk and who may use them."))
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            say("Interrupted. Nothing that was recorded is lost; the same command continues.", err)
        raise


def _fail(error: TaskgroveError) -> NoReturn:
    err.print("error", style="bold red", end="")
    say(f" ({error.kind}): {error}", err)
    sys.exit(error.exit_code)
