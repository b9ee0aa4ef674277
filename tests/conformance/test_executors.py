"""Every registered executor conforms."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from taskgrove.coordinator.base import AbstractExecutor
from taskgrove.coordinator.executors import EXECUTORS
from taskgrove.coordinator.executors.futures import FuturesExecutor
from taskgrove.coordinator.executors.ray import RayExecutor
from taskgrove.domain.errors import BadValueError
from taskgrove.testing.executors import ExecutorSuite
from tests.unit.ray_cluster import Nodes, needs_ray
from tests.unit.ray_cluster import two_nodes as two_nodes

OF_THEIR_OWN = ("futures", "ray")
"""Need a pool, or a cluster."""


class TestExecutors(ExecutorSuite):
    @pytest.fixture(params=[name for name in EXECUTORS if name not in OF_THEIR_OWN])
    def executor(self, request: pytest.FixtureRequest) -> Iterator[AbstractExecutor]:
        made = EXECUTORS[str(request.param)]()
        yield made
        made.shutdown()


class TestFutures(ExecutorSuite):
    @pytest.fixture
    def executor(self) -> Iterator[AbstractExecutor]:
        with ThreadPoolExecutor(2) as pool:
            yield FuturesExecutor(pool, workers=2)

    def test_it_opens_for_a_run_and_ends_with_its_block(self, executor: AbstractExecutor) -> None:
        with pytest.raises(BadValueError, match=r"only Python.*FuturesExecutor\(pool\)"):
            type(executor).open(1, lambda _: None)


@pytest.mark.slow
@needs_ray
@pytest.mark.timeout(300)
class TestRay(ExecutorSuite):
    @pytest.fixture
    def executor(self, two_nodes: Nodes) -> Iterator[AbstractExecutor]:
        made = RayExecutor()
        yield made
        made.shutdown()


def test_executors_are_registered_under_their_names() -> None:
    assert all(EXECUTORS[name].name == name for name in EXECUTORS)
