"""Commands that look after a system."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from taskgrove.cli.counting import Counting
from taskgrove.cli.output import GroveArgument, JsonOption, emit, err, say
from taskgrove.experiment.copies import heal_store
from taskgrove.experiment.places import check_store, open_store
from taskgrove.reports.quantities import human, plural
from taskgrove.store.upkeep.check import CheckReport
from taskgrove.store.upkeep.collect import GRACE_S, collect
from taskgrove.store.upkeep.retention import Retention


def check(
    grove: GroveArgument,
    fast: Annotated[bool, typer.Option("--fast", help="Do not hash the blobs again.")] = False,
    heal_from: Annotated[
        list[str] | None,
        typer.Option(metavar="PLACE", help="A mirror or fork, to put back what is damaged; may be repeated."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Verify everything that is stored, and heal it; exit code 4 when something stays damaged."""
    healed: tuple[str, ...] = ()
    with Counting(err) as counting:
        if heal_from:
            answer = heal_store(grove, heal_from, deep=not fast, told=counting.told)
            found, healed = answer.report, answer.keys
        else:
            found = check_store(grove, deep=not fast, told=counting.told)
    emit(_text(found, healed), _data(found, healed), as_json=json)
    if not found.ok:
        for problem in found.problems:
            say(problem, err)
        raise typer.Exit(4)


def gc(
    grove: GroveArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    keep_ancestors: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Of each live model keep so many generations of parents, and drop the weights of all other "
            "old models; their records stay. By default every model of the tasks in the system is kept.",
        ),
    ] = None,
    grace: Annotated[
        float, typer.Option(metavar="HOURS", help="Leave blobs alone that are younger and not yet committed.")
    ] = GRACE_S / 3600,
    json: JsonOption = False,
) -> None:
    """Delete the blobs that nothing needs: of killed writers, retired tasks, and old models if asked to."""
    store = open_store(grove, writable=not dry_run)
    with Counting(err) as counting:
        done = collect(
            store,
            Retention(ancestors=keep_ancestors),
            grace_s=3600 * grace,
            dry_run=dry_run,
            told=counting.told,
        )
    gone, size = done.num_condemned + done.num_left, done.condemned_bytes + done.left_bytes
    text = (
        f"{'Would delete' if dry_run else 'Deleted'} {gone:,} of {plural(done.num_blobs, 'blob')} "
        f"({human(size, 'B')})"
        + (f"; left {done.num_young:,} alone that may be about to be committed." if done.num_young else ".")
    )
    emit(text, {**asdict(done), "dry_run": dry_run}, as_json=json)


def _data(found: CheckReport, healed: tuple[str, ...]) -> dict[str, object]:
    return {
        "ok": found.ok,
        "commits": found.num_commits,
        "blobs": found.num_blobs,
        "orphans": found.num_orphans,
        "orphan_bytes": found.orphan_bytes,
        "problems": list(found.problems),
        "unfinished": list(found.unfinished),
        "healed": list(healed),
    }


def _text(found: CheckReport, healed: tuple[str, ...]) -> str:
    return "\n".join(
        [
            *(f"healed: {key}" for key in healed),
            *(f"unfinished: {text}" for text in found.unfinished),
            f"{found.num_commits} commits, {found.num_blobs} blobs, {plural(found.num_orphans, 'orphan')} "
            f"({human(found.orphan_bytes, 'B')}): "
            + ("sound." if found.ok else f"{plural(len(found.problems), 'problem')}."),
        ]
    )
