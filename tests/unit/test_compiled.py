"""Compiled layers: equal to the others up to rounding, and compiled once per kind, not once per child."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from taskgrove.domain.errors import BadValueError, EnvironmentFailure
from taskgrove.domain.jobs import TrainConfig, TrainJob
from taskgrove.domain.records import Model
from taskgrove.experiment.build import training_of
from taskgrove.experiment.spec import ExperimentSpec, TrainSpec, canonical, digest
from taskgrove.trainer import compiled
from taskgrove.trainer.compiled import FOLDER_VARIABLE, check_compiler
from tests.laws.test_engine_laws import ATOL, SLOTS, job_of, planted, tensors_of, trained

# PyTorch looks at this attribute itself and hides the warning, which does not help where it is an error.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute")
CPU, GPU = torch.device("cpu"), torch.device("cuda")
HAS_COMPILER = shutil.which(os.environ.get("CXX", "g++")) is not None


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Nothing is compiled before a test, nor left of it."""
    compiled._function.cache_clear()
    torch.compiler.reset()
    yield
    compiled._function.cache_clear()
    torch.compiler.reset()


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The layers whose graphs were handed to the compiler, which here leaves them as they are."""
    made: list[str] = []
    genuine: Any = torch.compile

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor], **_: object) -> Any:
        made.append(str(len(inputs)))
        return graph.forward

    def compile(function: Any, **settings: Any) -> Any:
        assert (settings["fullgraph"], settings["dynamic"]) == (True, False)
        return genuine(function, **settings, backend=backend)

    monkeypatch.setattr(torch, "compile", compile)
    monkeypatch.setattr(compiled, "check_compiler", lambda *_: None)
    return made


def compiling(job: TrainJob, how: bool | str = True, **changes: object) -> TrainJob:
    config = replace(job.config, compile=how, **changes)  # type: ignore[arg-type]
    return replace(job, config=config)


def job(root: Model, lowest: str = "embedding", **hparams: Any) -> TrainJob:
    return job_of(root, frozenset(SLOTS[SLOTS.index(lowest) :]), hparams, "fp32", "fast")


def test_children_with_other_values_compile_nothing_again(graphs: list[str]) -> None:
    store, root = planted()
    first = trained(store, compiling(job(root)))
    per_kind = len(graphs)
    assert per_kind == 7  # embedding, cls, pos, a block, the topmost block, norm, head
    assert first == trained(store, job(root))
    hparams: dict[str, Any] = {"opt.lr": 0.1, "opt.nesterov": True}
    other = replace(compiling(job(root, **hparams)), seed=9)
    for changed in (other, replace(other, hparams={**other.hparams, "data.flip": True})):
        assert trained(store, changed) != first
    assert len(graphs) == per_kind


def test_what_lies_below_is_compiled_once_for_each_way_to_read_it(graphs: list[str]) -> None:
    store, root = planted()
    trained(store, compiling(job(root)))
    graphs.clear()
    trained(store, compiling(job(root, "block_1")))
    assert len(graphs) == 1  # the topmost block, whose input needs no gradient here
    trained(store, replace(compiling(job(root, "block_1")), seed=3))
    assert len(graphs) == 1
    trained(store, compiling(job(root, "block_1"), batch_size=8))
    assert len(graphs) == 4  # it, norm and head, for other shapes


@pytest.mark.parametrize("changes", [{"micro_batch": 8}, {"checkpoint": True}])
def test_parts_of_batches_and_checkpoints_are_compiled_too(
    graphs: list[str], changes: dict[str, Any]
) -> None:
    store, root = planted()
    plain = job(root)
    expected = trained(store, replace(plain, config=replace(plain.config, **changes)))
    assert trained(store, compiling(plain, **changes)) == expected
    assert len(graphs) == 7


def test_nothing_is_compiled_unless_it_is_wanted(graphs: list[str]) -> None:
    store, root = planted()
    trained(store, job(root))
    assert graphs == []


@pytest.mark.slow
@pytest.mark.skipif(not HAS_COMPILER, reason="there is no C++ compiler")
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's compiler, about itself
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_steps_train_as_the_others(precision: str) -> None:
    store, root = planted()
    top = frozenset(SLOTS[SLOTS.index("block_1") :])  # three kinds; a minute of compiling would be seven
    whole = job_of(root, top, {"opt.nesterov": True}, precision, "fast")
    plain, fast = trained(store, whole), trained(store, compiling(whole))
    assert fast.losses == pytest.approx(plain.losses, abs=ATOL[precision])
    if fast.best_cycle == plain.best_cycle:
        expected, found = tensors_of(store, plain), tensors_of(store, fast)
        for name, tensor in found.items():
            atol = max(ATOL[precision], 4e-3 if "momentum" in name else 0.0)
            torch.testing.assert_close(tensor, expected[name], atol=atol, rtol=0.05, msg=name)
    assert trained(store, compiling(whole)) == fast


PROCESS = """
import torch
from taskgrove.trainer.compiled import compiled
from taskgrove.backbones.base import Layer
layer = Layer("double", lambda tensors, x: (x * tensors["a"]).sin())
((layer, tensors),) = compiled([(layer, {"a": torch.ones(3)})], "none", True)
layer.apply(tensors, torch.ones(3))
print(torch._dynamo.utils.counters["inductor"]["fxgraph_cache_hit"])
"""


@pytest.mark.slow
@pytest.mark.skipif(not HAS_COMPILER, reason="there is no C++ compiler")
def test_another_process_finds_what_was_compiled(tmp_path: Path) -> None:
    environment = {**os.environ, "TASKGROVE_CACHE": str(tmp_path)}
    environment.pop(FOLDER_VARIABLE, None)  # set by this process when it compiled something
    hits = [
        subprocess.run(
            [sys.executable, "-c", PROCESS], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert hits == ["0", "1"]
    assert any((tmp_path / "compiled").iterdir())


def test_a_machine_without_a_compiler_is_told_which_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(EnvironmentFailure, match=r"C\+\+ compiler.*no program 'no-such-compiler'.*CXX"):
        check_compiler(CPU, True)
    with pytest.raises(EnvironmentFailure, match="no-such-compiler"):
        training_of(ExperimentSpec(name="x", device="cpu", train=TrainSpec(compile=True)))
    check_compiler(CPU, how=False)
    monkeypatch.setenv("CC", "no-such-c-compiler")
    monkeypatch.setattr(compiled, "find_spec", lambda _: None)
    check_compiler(GPU, how=False)
    with pytest.raises(EnvironmentFailure, match="the package triton"):
        check_compiler(GPU, "graphs")
    monkeypatch.setattr(compiled, "find_spec", lambda name: name)
    with pytest.raises(EnvironmentFailure, match=r"a C compiler.*no-such-c-compiler.*CC"):
        check_compiler(GPU, "graphs")


def test_what_cannot_be_compiled_is_refused() -> None:
    with pytest.raises(BadValueError, match=r"CUDA graphs, but the device is cpu"):
        training_of(ExperimentSpec(name="x", device="cpu", train=TrainSpec(compile="graphs")))
    with pytest.raises(BadValueError, match=r"must be false, true or \"graphs\", got 'max'"):
        TrainSpec(compile="max")
    with pytest.raises(BadValueError, match="is for the fast engine"):
        TrainSpec(compile=True, engine="plain")
    with pytest.raises(BadValueError, match=r"train\.checkpoint would save none"):
        TrainSpec(compile="graphs", checkpoint=True)


def test_compiling_is_part_of_an_experiment_and_older_experiments_stay_the_same() -> None:
    spec = ExperimentSpec(name="x", train=TrainSpec(precision="fp32", threads=1))
    told = [digest(replace(spec, train=replace(spec.train, compile=how)), "fp32", 1) for how in (False, True)]
    assert len({*told, digest(spec, "fp32", 1)}) == 2
    assert "compile" not in canonical(spec)
    assert TrainConfig().compile is False
