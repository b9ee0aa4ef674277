"""Carries out the runs of a comparison, in turn in this process or several at once in others."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from queue import SimpleQueue
from subprocess import Popen
from threading import Thread

from taskgrove.experiment.comparison.board import Board
from taskgrove.experiment.comparison.trials import Failure, Trial, attempt
from taskgrove.experiment.comparison.worker import Answer, answers, worker
from taskgrove.reports.analyses.outcome import Outcome


def in_turn(waiting: Sequence[Trial], board: Board) -> None:
    """One run after the other, in this process."""
    for trial in waiting:
        board.begun(trial)
        board.ended(trial, attempt(trial, partial(board.step, trial)))


def at_once(waiting: Sequence[Trial], jobs: int, board: Board) -> None:
    """Keep `jobs` processes at work; an interruption ends them all."""
    messages: SimpleQueue[tuple[Trial, Answer | None]] = SimpleQueue()
    left, running = list(reversed(waiting)), dict[str, ExitStack]()
    with ExitStack() as everything:
        while left or running:
            while left and len(running) < jobs:
                trial = left.pop()
                running[trial.store] = everything.enter_context(ExitStack())
                process = running[trial.store].enter_context(worker(trial))
                Thread(target=_listen, args=(trial, process, messages), daemon=True).start()
                board.begun(trial)
            trial, answer = messages.get()
            if answer is not None and answer.step is not None:
                board.step(trial, answer.step)
            elif trial.store in running:
                running.pop(trial.store).close()
                board.ended(trial, _end(trial, answer))


def _listen(trial: Trial, process: Popen[str], messages: SimpleQueue[tuple[Trial, Answer | None]]) -> None:
    with suppress(ValueError):  # a line cut short, or a pipe closed, by the process's end
        for answer in answers(process):
            messages.put((trial, answer))
    messages.put((trial, None))


def _end(trial: Trial, answer: Answer | None) -> Outcome | Failure:
    end = answer and (answer.outcome or answer.failure)
    return end or Failure(
        kind="environment",
        exit_code=3,
        text="The process of this run ended without an answer; it was killed, perhaps for want of memory. "
        f"What it said is in {trial.beside('log')}. The same command continues it.",
    )
