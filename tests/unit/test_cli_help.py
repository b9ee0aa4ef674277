"""Every command explains itself."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from taskgrove.cli.main import app


def commands(command: Any, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = vars(command).get("commands") or {}
    found = [name for one, sub in inner.items() for name in commands(sub, (*words, one))]
    return [words, *found]


COMMANDS = commands(typer.main.get_command(app))


def test_there_are_commands() -> None:
    assert {("init",), ("task", "add"), ("grow",)} <= set(COMMANDS)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_explains_itself(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0, result.exception
    assert "Usage" in result.stdout
