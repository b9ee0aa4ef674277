"""Every registered storage backend conforms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from taskgrove.store.backends import BACKENDS
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend
from taskgrove.testing.backends import BackendSuite

MAKERS: dict[str, Callable[[Path], AbstractBackend]] = {
    "local": lambda folder: LocalBackend(folder / "new" / "store"),
    "memory": lambda _: MemoryBackend(),
}


class TestBackends(BackendSuite):
    @pytest.fixture(params=sorted(MAKERS))
    def backend(self, request: pytest.FixtureRequest, tmp_path: Path) -> AbstractBackend:
        return MAKERS[str(request.param)](tmp_path)


def test_every_registered_backend_is_tested() -> None:
    assert set(BACKENDS) == set(MAKERS)
    assert all(BACKENDS[name].name == name for name in BACKENDS)
