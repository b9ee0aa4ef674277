"""Settings of the whole suite."""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Iterator

import pytest
import torch
import typer.main
import typer.testing
from hypothesis import settings

from taskgrove.reports.base import AbstractChart
from taskgrove.reports.pages.choice import Choice

# The same examples every time, so that a change is judged by what it changes; `make test-slow` looks
# for new ones with `--hypothesis-profile=search`.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("search", max_examples=500, deadline=None, print_blob=True)
settings.load_profile("steady")


@pytest.fixture(scope="session", autouse=True)
def machine_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded images are kept below the tests' own folder, not in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TASKGROVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """More threads only wait on images this small, in this process and in those that it starts."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """No test cuts the power; files are not forced to the disk, but must be open as if they were."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "fdatasync"):
            patch.setattr(f"os.{name}", os.fstat)
        yield


@pytest.fixture(scope="session", autouse=True)
def commands_made_once() -> Iterator[None]:
    """All commands are looked up in signatures for each call of the program, which takes longer than most."""
    with pytest.MonkeyPatch.context() as patch:
        made = functools.cache(typer.main.get_command)
        patch.setattr(typer.main, "get_command", made)
        patch.setattr(typer.testing, "_get_command", made)
        yield


def pytest_collection_finish() -> None:
    """Thousands of tests and what they import never become garbage: do not look through them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def threads() -> Iterator[None]:
    """Lets a test set the process's number of threads; afterwards it is what it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports draw nothing, for tests that do not look at pictures."""

    def undrawn(chart: AbstractChart, runs: object, choice: Choice) -> dict[str, bytes]:
        wanted = [suffix for suffix in chart.formats if suffix in choice.formats]
        return {f"pictures/{chart.name}.{suffix}": b"picture" for suffix in wanted}

    monkeypatch.setattr("taskgrove.reports.pages.report._pictures", undrawn)
