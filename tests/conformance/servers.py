"""Object storage servers on loopback: started on free ports with empty folders, killed at the end.

While one runs, the environment holds its credentials, as clients of such services expect.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

BUCKET = "bucket"
KEYS = {"AWS_ACCESS_KEY_ID": "taskgrove", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
_STARTS_WITHIN_S = 30.0
_AZURITE_ACCOUNT = "devstoreaccount1"
_AZURITE_KEY = base64.b64encode(b"the key of a server that ends with the test").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A server that runs.

    Attributes:
        url: Of its bucket, with its endpoint.
        endpoint: Where it listens.
        process: The server.
    """

    url: str
    endpoint: str
    process: subprocess.Popen[bytes]

    def at(self, prefix: str) -> str:
        """The URL of a folder in the bucket."""
        bucket, _, options = self.url.partition("?")
        return f"{bucket}/{prefix}?{options}"


Starter = Callable[[Path], AbstractContextManager[Service]]


@contextmanager
def seaweedfs(folder: Path) -> Iterator[Service]:
    """SeaweedFS, a real object store; it takes its keys from the environment, too."""
    (folder / "data").mkdir(parents=True)
    names = ("master", "volume", "filer", "s3")
    ports = dict(zip((*names, *(f"{name} grpc" for name in names)), free_ports(8), strict=True))
    command = [
        *(program("weed"), "server", f"-dir={folder / 'data'}", "-master.telemetry=false"),
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"),
        *(f"-{name}.port={ports[name]}" for name in names),
        *(f"-{name}.port.grpc={ports[f'{name} grpc']}" for name in names),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=20", "-master.volumeSizeLimitMB=200"),
        *("-volume.preStopSeconds=0", "-s3.autoCreateBucket=false"),
        *(f"-filer.localSocket={folder / 'filer.sock'}", f"-s3.localSocket={folder / 's3.sock'}"),
    ]
    try:
        with _running(command, folder, ports["s3"]) as process:
            _ask(process, f"http://127.0.0.1:{ports['filer']}/buckets/{BUCKET}/", "POST")
            endpoint = f"http://127.0.0.1:{ports['s3']}"
            _ask(process, f"{endpoint}/{BUCKET}", "GET", good=(403,))
            yield _s3(endpoint, process)
    finally:  # it has no option for where these lie
        for name in names:
            Path(f"/tmp/seaweedfs-{name}-grpc-{ports[f'{name} grpc']}.sock").unlink(missing_ok=True)


@contextmanager
def moto(folder: Path) -> Iterator[Service]:
    """moto, a mock of S3 in memory."""
    (port,) = free_ports(1)
    with _running([program("moto_server"), "-p", str(port)], folder, port) as process:
        endpoint = f"http://127.0.0.1:{port}"
        _ask(process, f"{endpoint}/{BUCKET}", "PUT")
        yield _s3(endpoint, process)


@contextmanager
def rclone(folder: Path) -> Iterator[Service]:
    """rclone's S3 server, which ignores conditions on a PUT and so must be refused."""
    (folder / "data" / BUCKET).mkdir(parents=True)
    (port,) = free_ports(1)
    keys = ",".join((KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"]))
    command = [
        *(program("rclone"), "serve", "s3", str(folder / "data"), "--addr", f"127.0.0.1:{port}"),
        *("--auth-key", keys, "--config", str(folder / "rclone.conf")),
    ]
    with _running(command, folder, port) as process:
        yield _s3(f"http://127.0.0.1:{port}", process)


@contextmanager
def azurite(folder: Path) -> Iterator[Service]:
    """Azurite, Microsoft's emulator of Azure Blob Storage; the test is skipped where it is not installed."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    command = [
        *(_azurite_program(), "--location", str(folder), "--blobHost", "127.0.0.1", "--blobPort", str(port)),
        *("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
    ]
    keys = {
        "AZURITE_ACCOUNTS": f"{_AZURITE_ACCOUNT}:{_AZURITE_KEY}",
        "AZURE_STORAGE_ACCOUNT_KEY": _AZURITE_KEY,
    }
    with _running(command, folder, port, keys) as process:
        endpoint = f"http://127.0.0.1:{port}/{_AZURITE_ACCOUNT}"
        _ask(process, f"{endpoint}/{BUCKET}?restype=container", "PUT", headers=_azure_signature())
        url = f"az://{BUCKET}?account_name={_AZURITE_ACCOUNT}&endpoint={endpoint}"
        yield Service(url=url, endpoint=endpoint, process=process)


def free_ports(count: int) -> list[int]:
    """Different ports of loopback on which nothing listens at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def program(name: str) -> str:
    """The executable that a package of the extra `dev` has put beside Python."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        pytest.skip(f"{name} is not installed; it comes with the extra 'dev'")
    return str(path)


def _azurite_program() -> str:
    at_hand = (os.environ.get("AZURITE"), shutil.which("azurite-blob"), "node_modules/.bin/azurite-blob")
    for path in at_hand:
        if path and Path(path).exists():
            return path
    pytest.skip("Azurite is not installed; run: npm install azurite, or set AZURITE to azurite-blob")


def _s3(endpoint: str, process: subprocess.Popen[bytes]) -> Service:
    return Service(url=f"s3://{BUCKET}?endpoint={endpoint}", endpoint=endpoint, process=process)


@contextmanager
def _running(
    command: Sequence[str], folder: Path, port: int, keys: Mapping[str, str] = KEYS
) -> Iterator[subprocess.Popen[bytes]]:
    """The server, as soon as it listens, with its keys in the environment."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.txt").open("wb") as log, pytest.MonkeyPatch.context() as patch:
        for variable, value in keys.items():
            patch.setenv(variable, value)
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            _wait(process, lambda: _listens(port), f"{command[0]} to listen; see {folder / 'log.txt'}")
            yield process
        finally:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _STARTS_WITHIN_S
    while not done():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"Waited in vain for {what}.")
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _ask(
    process: subprocess.Popen[bytes],
    url: str,
    method: str,
    good: Sequence[int] = (200, 201),
    headers: Mapping[str, str] | None = None,
) -> None:
    """Repeat a request until its status is one of the `good` ones."""

    def status() -> int:
        with suppress(URLError, ConnectionError, TimeoutError):
            try:
                with urlopen(Request(url, method=method, headers=dict(headers or {})), timeout=5) as reply:
                    return int(reply.status)
            except HTTPError as error:
                with error:
                    return int(error.code)
        return 0

    _wait(process, lambda: status() in good, f"{method} {url}")


def _azure_signature() -> dict[str, str]:
    """The headers of a request that makes the container (Azure's scheme "Shared Key")."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    signed = "\n".join(f"{name}:{value}" for name, value in headers.items())
    path = f"/{_AZURITE_ACCOUNT}/{_AZURITE_ACCOUNT}/{BUCKET}\nrestype:container"
    text = "PUT" + "\n" * 12 + f"{signed}\n{path}"
    digest = hmac.digest(base64.b64decode(_AZURITE_KEY), text.encode(), hashlib.sha256)
    signature = f"SharedKey {_AZURITE_ACCOUNT}:{base64.b64encode(digest).decode()}"
    return {**headers, "Authorization": signature, "Content-Length": "0"}
