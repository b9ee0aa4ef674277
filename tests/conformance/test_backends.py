"""Every registered storage backend conforms, the one for buckets on every server that can be had here."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskgrove.domain.errors import UnsafeBackendError
from taskgrove.store.backends import BACKENDS
from taskgrove.store.backends.cloud import CloudBackend
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend
from taskgrove.store.header import probe
from taskgrove.testing.backends import BackendSuite
from tests.conformance.servers import Service, Starter, azurite, moto, rclone, seaweedfs

MAKERS: dict[str, Callable[[Path], AbstractBackend]] = {
    "local": lambda folder: LocalBackend(folder / "new" / "store"),
    "memory": lambda _: MemoryBackend(),
}
SERVERS: dict[str, Starter] = {"seaweedfs": seaweedfs, "moto": moto, "azurite": azurite}
DEFAULT = "seaweedfs"


class TestBackends(BackendSuite):
    @pytest.fixture(params=sorted(MAKERS))
    def backend(self, request: pytest.FixtureRequest, tmp_path: Path) -> AbstractBackend:
        return MAKERS[str(request.param)](tmp_path)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=() if name == DEFAULT else pytest.mark.slow) for name in SERVERS],
)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    name = str(request.param)
    with SERVERS[name](tmp_path_factory.mktemp(name)) as service:
        yield service


class TestCloud(BackendSuite):
    @pytest.fixture
    def backend(self, service: Service) -> AbstractBackend:
        return CloudBackend(service.at(uuid.uuid4().hex))


def test_rclone_is_refused_by_the_probe(tmp_path: Path) -> None:
    with rclone(tmp_path) as service, pytest.raises(UnsafeBackendError, match=r"\(True, True\)"):
        probe(CloudBackend(service.at("grove")))


def test_every_registered_backend_is_tested() -> None:
    assert set(BACKENDS) == {*MAKERS, "cloud"}
    assert all(BACKENDS[name].name == name for name in BACKENDS)
