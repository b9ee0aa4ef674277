"""Settings of the whole suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

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


@pytest.fixture
def threads() -> Iterator[None]:
    """Lets a test set the process's number of threads; afterwards it is what it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
