"""Runs the program inside the test's process, and says what every refusal owes the user."""

from __future__ import annotations

import io
import re
import shlex
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from taskgrove.cli.main import main

GROW = "--iterations 1 --option generations=1 --option children=1 --cycles 1 --batch-size 8 --precision fp32"
"""The smallest budget there is."""

Arrays = dict[str, NDArray[Any]]
Prepare = Callable[[Path], object]
"""Makes a bad input in a folder; what it returns does not matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the program answered; `err` with its white space made single."""

    code: int
    out: str
    err: str


def taskgrove(command: str) -> Outcome:
    """Run a command line; an exception that leaves the program is a traceback, and fails the test."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    arguments = ["taskgrove", *shlex.split(command)]
    one_thread = patch("os.cpu_count", return_value=1)  # tests share the machine's cores
    with one_thread, patch.object(sys, "argv", arguments), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Outcome(code=code, out=out.getvalue(), err=" ".join(err.getvalue().split()))


def done(command: str) -> str:
    """The output of a command that must succeed."""
    outcome = taskgrove(command)
    assert outcome.code == 0, outcome.err
    return outcome.out


def snapshot(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def nothing(folder: Path) -> None:
    """A case that needs no preparation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of bad input; it happens in a folder that holds a grown system `grove`.

    Attributes:
        id: Of the test.
        command: What is typed, with paths relative to the folder.
        kind: Of the error.
        names: The offending thing, literally as the message must name it.
        advice: Pattern of what the message says about the cause or about what to do.
        prepare: Makes the bad input in the folder.
    """

    id: str
    command: str
    kind: str
    names: str
    advice: str
    prepare: Prepare = nothing
    code: int = 2


def assert_refused(case: Case) -> None:
    """The command ends with the right code and a message that helps, and has changed no file."""
    case.prepare(Path())
    before = snapshot(Path())
    outcome = taskgrove(case.command)
    assert outcome.code == case.code, outcome.err
    assert_explained(outcome, case.kind, case.names, case.advice)
    assert snapshot(Path()) == before
    assert taskgrove("check grove").code == 0


def assert_explained(outcome: Outcome, kind: str, names: str, advice: str) -> None:
    """One message on stderr, of this kind, that names what is wrong and says what to do."""
    assert f"error ({kind}): " in outcome.err
    assert names in outcome.err
    assert re.search(advice, outcome.err), outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err


def good_arrays() -> Arrays:
    """Sixty grey 8 x 8 images of three classes that differ in brightness, in three splits."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = (rng.random((60, 8, 8)) * 60 + labels[:, None, None] * 80).astype(np.uint8)
    cuts = {"train": slice(0, 40), "val": slice(40, 50), "test": slice(50, 60)}
    return {
        f"{key}_{name}": a[cut] for name, cut in cuts.items() for key, a in (("x", images), ("y", labels))
    }


def save_npz(path: Path, arrays: Arrays) -> None:
    """Write a file as users do."""
    np.savez(path, allow_pickle=True, **arrays)
