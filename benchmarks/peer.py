"""The other side of a comparison: a loop of another library, in its own process and environment.

A peer is a module of `benchmarks.peers`, started with the Python of an environment that has what it
needs; requests and answers are lines of JSON. So it can take turns with what it is compared to.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[1]
KEEPS_FREED_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
"""What `trainer.allocator` tells glibc, for a process that is started by another."""


class PeerError(RuntimeError):
    """A peer could not start or could not answer."""


class Peer:
    """A running peer.

    Args:
        python: Interpreter of its environment.
        module: `benchmarks.peers.…`
        settings: What it prepares itself for.
        environment: Variables beside the process's own.

    Raises:
        PeerError: It could not start.
    """

    def __init__(
        self, python: str, module: str, settings: Mapping[str, Any], environment: Mapping[str, str]
    ) -> None:
        self._module = module
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - lives with the peer
        try:
            self._process = subprocess.Popen(
                [python, "-m", module, json.dumps(settings)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                env={**os.environ, **environment},
            )
        except OSError as error:
            self._errors.close()
            raise PeerError(f"{python} cannot be started: {error}") from error
        try:
            self.about: str = self._read()["about"]
        except PeerError:
            self.close()
            raise

    def ask(self, **request: str | float | Mapping[str, float]) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            PeerError: It has ended instead.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._read()

    def seconds(self, **request: str | float) -> float:
        """The `seconds` of an answer."""
        return float(self.ask(**request)["seconds"])

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._errors.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            last = (self._errors.read().strip().splitlines() or ["nothing"])[-1]
            raise PeerError(f"{self._module} has ended with {self._process.returncode}: {last}")
        answer: dict[str, Any] = json.loads(line)
        return answer
