"""What `import taskgrove` offers, and what it does not load."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import taskgrove

MODULES = sorted(module.name for module in pkgutil.walk_packages(taskgrove.__path__, "taskgrove."))
TORCH_FREE = (
    "import taskgrove",
    "import taskgrove.domain, taskgrove.agents.methods, taskgrove.coordinator.loop",
    "import taskgrove.mutations.kinds, taskgrove.scoring.decay, taskgrove.coordinator.executors",
    "import taskgrove.cli.main",  # `taskgrove --help`, `status`, `log`, `show` and `check` answer at once
)


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_public_name_can_be_imported() -> None:
    for name in taskgrove.__all__:
        assert getattr(taskgrove, name) is not None


def test_the_public_names_are_those_that_are_loaded_lazily() -> None:
    homes: dict[str, str] = vars(taskgrove)["_HOMES"]
    assert sorted(taskgrove.__all__) == sorted([*homes, "__version__"])
    assert list(taskgrove.__all__) == sorted(taskgrove.__all__)


def test_every_lazy_name_lives_where_it_is_said_to() -> None:
    for name, home in vars(taskgrove)["_HOMES"].items():
        assert vars(importlib.import_module(home))[name].__module__ == home


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="read_experiment"):
        vars(taskgrove)["__getattr__"]("no_such_name")


@pytest.mark.parametrize("code", TORCH_FREE)
def test_deciding_code_does_not_load_torch(code: str) -> None:
    assert python(f"{code}\nimport sys; print('torch' in sys.modules)") == "False"


def test_the_program_introduces_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from taskgrove.cli.main import main; main()", "--help"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "grow" in done.stdout


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(importlib.import_module(name)):
        if test.examples:  # even without one a run looks at the date of every file that was imported
            runner.run(test)
    assert not runner.failures


def test_some_docstrings_have_examples() -> None:
    finder = doctest.DocTestFinder()
    tests = (t for name in MODULES for t in finder.find(importlib.import_module(name)))
    assert sum(len(test.examples) for test in tests) >= 5
