"""Every registered executor conforms."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskgrove.coordinator.base import AbstractExecutor
from taskgrove.coordinator.executors import EXECUTORS
from taskgrove.testing.executors import ExecutorSuite


class TestExecutors(ExecutorSuite):
    @pytest.fixture(params=list(EXECUTORS))
    def executor(self, request: pytest.FixtureRequest) -> Iterator[AbstractExecutor]:
        made = EXECUTORS[str(request.param)]()
        yield made
        made.shutdown()


def test_executors_are_registered_under_their_names() -> None:
    assert all(EXECUTORS[name].name == name for name in EXECUTORS)
