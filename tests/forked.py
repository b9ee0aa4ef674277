"""Processes that start at once: forked from one that has loaded torch and the library, and nothing else.

A test needs a process that it can kill, or that shares nothing with it but a folder. A fresh interpreter
would load torch for longer than most of them live.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from taskgrove.cli.main import main

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "__main__",
        "torch.distributed",
        "taskgrove.cli.main",
        "taskgrove.experiment.api",
        "taskgrove.experiment.group",
        "taskgrove.experiment.pretraining.pretrain",
    ]
)
WAIT_S = 240.0
"""How long a process may take, on whatever machine CI has."""


def start(
    act: Callable[..., object],
    *arguments: object,
    out: Path | None = None,
    err: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> ForkServerProcess:
    """A process that does something and ends.

    Args:
        act: What it does; of a module, not of a function.
        arguments: For `act`.
        out: For what it prints; to the tests' own output by default.
        err: For its complaints; they go where `out` goes by default.
        environment: Variables beside those of this process.
    """
    variables = {**os.environ, **(environment or {})}
    process = CONTEXT.Process(target=_begin, args=(variables, out, err or out, act, arguments))
    process.start()
    return process


@contextmanager
def running(
    act: Callable[..., object], *arguments: object, out: Path | None = None, err: Path | None = None
) -> Iterator[ForkServerProcess]:
    """As `start`; the process does not outlive the block."""
    process = start(act, *arguments, out=out, err=err)
    try:
        yield process
    finally:
        kill(process)


def kill(process: ForkServerProcess) -> None:
    """End a process as `kill -9` does."""
    process.kill()
    process.join()


def ended(process: ForkServerProcess, within_s: float = WAIT_S) -> int | None:
    """The exit code of a process that ends by itself; None when it had to be killed."""
    process.join(within_s)
    code = process.exitcode
    kill(process)
    return code


def program(*words: str) -> None:
    """The command line: `taskgrove WORDS`."""
    sys.argv = ["taskgrove", *words]
    main()


def ranks(size: int, act: Callable[..., object], *arguments: object, said: Path) -> list[ForkServerProcess]:
    """Processes that have been told what torchrun tells those that it starts.

    Args:
        size: How many.
        act, arguments: What each does.
        said: A folder for what they print, `RANK.out`, and complain about, `RANK.err`.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(size)}
    return [
        start(
            act,
            *arguments,
            out=said / f"{rank}.out",
            err=said / f"{rank}.err",
            environment={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(size)
    ]


def _begin(
    variables: Mapping[str, str],
    out: Path | None,
    err: Path | None,
    act: Callable[..., object],
    arguments: tuple[object, ...],
) -> None:
    os.environ.clear()
    os.environ.update(variables)
    for path, stream in ((out, 1), (err, 2)):
        if path is not None:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(file, stream)
            os.close(file)
    act(*arguments)
