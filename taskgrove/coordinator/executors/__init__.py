"""Where jobs run: one line per file."""

from __future__ import annotations

from taskgrove.coordinator.base import AbstractExecutor
from taskgrove.coordinator.executors.futures import FuturesExecutor
from taskgrove.coordinator.executors.inline import InlineExecutor
from taskgrove.coordinator.executors.processes import ProcessesExecutor
from taskgrove.coordinator.executors.ray import RayExecutor
from taskgrove.domain.registry import Registry

EXECUTORS: Registry[type[AbstractExecutor]] = Registry(
    "executor",
    "taskgrove.executors",
    {
        executor.name: executor
        for executor in (FuturesExecutor, InlineExecutor, ProcessesExecutor, RayExecutor)
    },
)

__all__ = ["EXECUTORS"]
