"""A process that carries out one run: `python -m taskgrove.experiment.comparison.worker`.

The run stands on the first line of standard input; the process ends when the input does, so that none
is left behind when the one that started it is killed. It answers with one JSON value per line.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from subprocess import PIPE, Popen

import msgspec

from taskgrove.experiment.comparison.trials import Failure, Step, Trial, attempt
from taskgrove.reports.analyses.outcome import Outcome

_ORPHANED = 130


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of output: a step, or the end with an outcome or a failure."""

    step: Step | None = None
    outcome: Outcome | None = None
    failure: Failure | None = None


def main() -> None:
    """Carry out the run on standard input."""
    trial = msgspec.json.decode(sys.stdin.readline(), type=Trial)
    threading.Thread(target=_end_with_input, daemon=True).start()
    line = sys.stdout

    def answer(value: Answer) -> None:
        line.write(msgspec.json.encode(value).decode() + "\n")
        line.flush()

    with redirect_stdout(sys.stderr):  # what a plug-in prints does not mix with the answers
        ended = attempt(trial, lambda step: answer(Answer(step=step)))
    answer(Answer(outcome=ended) if isinstance(ended, Outcome) else Answer(failure=ended))


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(_ORPHANED)


@contextmanager
def worker(trial: Trial) -> Iterator[Popen[str]]:
    """A process at work on a run; it is ended with the block, whatever it does."""
    command = [sys.executable, "-m", "taskgrove.experiment.comparison.worker"]
    log = trial.beside("log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as ended:
        ended.callback(_forget_empty, log)
        errors = ended.enter_context(log.open("w", encoding="utf-8"))
        # In a session of its own, Ctrl-C reaches only who started it.
        process = Popen(command, stdin=PIPE, stdout=PIPE, stderr=errors, text=True, start_new_session=True)
        ended.enter_context(process)
        ended.callback(process.kill)
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(trial).decode() + "\n")
        process.stdin.flush()
        yield process


def _forget_empty(log: Path) -> None:
    if log.exists() and not log.stat().st_size:
        log.unlink()


def answers(process: Popen[str]) -> Iterator[Answer]:
    """What a worker says until it ends."""
    assert process.stdout is not None
    for line in process.stdout:
        yield msgspec.json.decode(line, type=Answer)


if __name__ == "__main__":
    main()
