"""A pretraining that is killed continues and ends with the same bytes."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
import torch

from taskgrove.experiment.pretraining.pretrain import pretrain
from taskgrove.experiment.pretraining.spec import read_recipe
from tests.forked import program, running

RECIPE = """
member = "vit-tiny-test"
resolution = 8
steps = {steps}
batch_size = 32
report_every = 50
checkpoint_every = 5
precision = "fp32"
threads = 1
[[tasks]]
name = "digits"
source = "glyphs:digits?per_class=3&size=12"
[[tasks]]
name = "greek"
source = "glyphs:greek?per_class=3&size=12"
"""
ENDS = (".safetensors", ".json", ".png")


def finish(folder: Path, name: str) -> None:
    """Pretrain in this process, to the end."""
    recipe = folder / "recipe.toml"
    threads = torch.get_num_threads()
    pretrain(read_recipe(recipe), folder / f"{name}.safetensors", recipe=recipe.read_text(encoding="utf-8"))
    torch.set_num_threads(threads)


def kill(folder: Path, name: str, delay_s: float) -> None:
    """Begin or continue by the command, and kill it some time after the first checkpoint that it writes."""
    checkpoint = folder / f"{name}.safetensors.checkpoint"
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    words = ("pretrain", str(folder / "recipe.toml"), "--out", str(folder / f"{name}.safetensors"))
    with running(program, *words, out=folder / "said.txt") as process:
        while process.is_alive() and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before):
            time.sleep(0.002)
        time.sleep(delay_s)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it ended before it could be killed"


@pytest.mark.parametrize("steps", [100, pytest.param(200, marks=pytest.mark.slow)])
def test_a_killed_pretraining_ends_with_the_bytes_of_one_never_killed(tmp_path: Path, steps: int) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE.format(steps=steps), encoding="utf-8")
    for _ in range(2):
        kill(tmp_path, "killed", random.uniform(0, 0.1))
    assert not (tmp_path / "killed.safetensors").exists()
    for name in ("killed", "whole"):
        finish(tmp_path, name)
    for end in ENDS:
        one, other = (tmp_path / f"{name}{end}" for name in ("whole", "killed"))
        assert one.read_bytes() == other.read_bytes()
    assert not list(tmp_path.glob("*.checkpoint"))
