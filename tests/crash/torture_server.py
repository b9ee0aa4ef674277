"""A real S3 server that can be killed and started again on the same data."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.conformance.servers import Service, seaweedfs

_STARTS_WITHIN_S = 60.0


class KillableServer:
    """A server of which one process after the other serves the same data at the same address.

    Args:
        service: As it was first started.
        folder: Its own.
    """

    def __init__(self, service: Service, folder: Path) -> None:
        self.service = service
        self._folder = folder
        self._process = service.process
        assert isinstance(service.process.args, list)
        # Started again on its data it waits so long for other masters, of which there are none.
        self._command = [*service.process.args, "-master.electionTimeout=1s"]

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Start it again and wait until it answers."""
        with (self._folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        end = time.monotonic() + _STARTS_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, "the server does not start again"
            assert time.monotonic() < end, "the server does not answer any more"
            time.sleep(0.05)

    def close(self) -> None:
        """End what was started here."""
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        """Whether it refuses a request without a signature, as it does once it knows its keys."""
        with suppress(URLError, ConnectionError, TimeoutError):
            try:
                urlopen(f"{self.service.endpoint}/", timeout=5).close()
            except HTTPError as error:
                with error:
                    return error.code == 403
        return False


@contextmanager
def killable(folder: Path) -> Iterator[KillableServer]:
    """SeaweedFS with credentials in the environment; all its processes are gone at the end."""
    with seaweedfs(folder) as service:
        server = KillableServer(service, folder)
        try:
            yield server
        finally:
            server.close()
