"""A system in a bucket, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from taskgrove.cli.main import app
from tests.conformance.servers import seaweedfs

GROW = ["--iterations", "1", "--cycles", "1", "--batch-size", "16", "--precision", "fp32"]
OPTIONS = ["--option", "generations=1", "--option", "children=2", "--default", "opt.lr=0.05"]


def call(*words: str) -> str:
    """What a command prints on standard output; it must succeed."""
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.slow
def test_a_system_grows_in_a_bucket(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (120, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "noise.npz", x_train=images, y_train=np.arange(120) % 2)
    with seaweedfs(tmp_path / "server") as service:
        grove = service.at("groves/first")
        call("init", grove, "--root", "vit-tiny-test")
        call("task", "add", grove, "noise", f"npz:{tmp_path / 'noise.npz'}")
        call("grow", grove, *GROW, *OPTIONS)
        status = json.loads(call("status", grove, "--json"))
        assert [row["task"] for row in status["tasks"]] == ["noise"]
        assert status["spent"]["grow-1"]["children"] == 2
        assert json.loads(call("check", grove, "--json"))["problems"] == []
