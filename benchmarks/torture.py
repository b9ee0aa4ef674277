"""`kill -9` of writers, and of an S3 server under load: what is lost, duplicated, dangling or left over.

    python -m benchmarks.torture --kills 200 --s3-kills 100 --out torture_2cores

Three processes write to one store: task iterations with their blobs, tasks that come and go, tags; one of
them also collects garbage, without grace. Each is killed at a random moment, and another goes on in its place
with the step whose acknowledgement it has not noted.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.measure import machine, parser
from benchmarks.page import Page, Row, save
from tests.crash.torture import Plan, Verdict, torture
from tests.crash.torture_server import killable

_LONGEST_S3_S = 2.0
"""Requests take longer than files, so a writer must live longer to get anywhere."""


def on_folder(arguments: argparse.Namespace, folder: Path) -> Verdict:
    """Writers of a local folder."""
    return torture(str(folder / "store"), noted(folder), Plan(kills=arguments.kills))


def on_s3(arguments: argparse.Namespace, folder: Path) -> Verdict:
    """Writers of a bucket, whose server is killed too."""
    plan = Plan(kills=arguments.s3_kills, server_kills=arguments.server_kills, longest_s=_LONGEST_S3_S)
    with killable(folder / "server") as server:
        return torture(server.service.at("store"), noted(folder), plan, server)


def noted(folder: Path) -> Path:
    """Where writers note what they were told."""
    (folder / "notes").mkdir(parents=True)
    return folder / "notes"


def row(place: str, verdict: Verdict) -> Row:
    """The figures of one place."""
    return {
        "place": place,
        "kills": verdict.kills,
        "server kills": verdict.server_kills,
        "acked": verdict.acked,
        "commits": verdict.commits,
        "lost": len(verdict.lost),
        "duplicated": len(verdict.duplicated),
        "dangling or damaged": len(verdict.problems),
        "orphans": verdict.orphans,
        "orphans after a collection": verdict.orphans_left,
        "strays": verdict.strays,
        "seconds": verdict.seconds,
    }


def surfaced(place: str, verdict: Verdict) -> Row:
    """What the writers noticed of it."""
    return {
        "place": place,
        "errors repeated": verdict.remarks.get("environment", 0),
        "collections": verdict.remarks.get("collected", 0),
        "blobs put again": verdict.remarks.get("put_again", 0),
        "writers that gave up": len(verdict.died),
    }


def measure(arguments: argparse.Namespace, folder: Path) -> Page:
    """Torture both places."""
    conditions = machine(torch.device("cpu"), 1)
    verdicts = {"local folder": on_folder(arguments, folder / "local")}
    if arguments.s3_kills:
        verdicts["S3 (SeaweedFS on loopback)"] = on_s3(arguments, folder / "s3")
    return Page(
        title="Writers killed at random moments",
        conditions=conditions,
        tables={
            "What is left": [row(place, verdict) for place, verdict in verdicts.items()],
            "What surfaced": [surfaced(place, verdict) for place, verdict in verdicts.items()],
        },
        notes=[
            "Lost: acknowledged to a writer, but not in the log with that number and content. Duplicated: an "
            "id that is in the log twice. Orphans are blobs whose writer died before their commit. Strays "
            "are temporary files and probes of killed processes; readers ignore them.",
            *(f"A problem of {place}: {text}" for place, v in verdicts.items() for text in v.problems),
            *(f"A writer of {place} gave up: {text}" for place, v in verdicts.items() for text in v.died),
        ],
    )


def main(given: list[str] | None = None) -> None:
    """Read the command line, kill, keep the page."""
    reader = parser(__doc__)
    reader.add_argument("--kills", type=int, default=200, help="of writers of a folder")
    reader.add_argument("--s3-kills", type=int, default=100, help="of writers of a bucket; 0 for no bucket")
    reader.add_argument("--server-kills", type=int, default=2, help="of the bucket's server")
    reader.add_argument("--folder", type=Path, help="where to write; default: the system's temporary folder")
    arguments = reader.parse_args(given)
    with TemporaryDirectory(prefix="taskgrove-", dir=arguments.folder) as folder:
        page = measure(arguments, Path(folder))
    save(page, arguments.out)


if __name__ == "__main__":
    main()
