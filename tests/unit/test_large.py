"""Large models: micro-batches and checkpoints change the memory, not the training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import cross_entropy

from taskgrove.domain.errors import BadValueError
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import SlotName
from taskgrove.domain.jobs import TrainConfig
from taskgrove.experiment.build import build_device, build_train
from taskgrove.experiment.spec import TrainSpec
from taskgrove.trainer.chain import Chain, chains_of, through, through_again
from taskgrove.trainer.distributed import ALONE
from taskgrove.trainer.flat import FlatParameters
from taskgrove.trainer.learner import State
from taskgrove.trainer.optim import LearningRate
from taskgrove.trainer.train import Trajectory
from tests.unit.small_jobs import HPARAMS
from tests.unit.together import ALL, CONFIG, RANDOM, TOP, network_of, trained

ATOL = 2e-5
"""Of losses and parameters after 14 steps in float32, which rounds at 1e-7 of a value, in every product and
sum of every step; parameters move by about 0.1."""


def assert_close(found: Trajectory, expected: Trajectory) -> None:
    """The same training, up to the order of sums."""
    assert found.losses == pytest.approx(expected.losses, abs=ATOL)
    assert found.accuracies == expected.accuracies
    for state, wanted in ((found.parameters, expected.parameters), (found.momentum, expected.momentum)):
        assert set(state) == set(wanted)
        torch.testing.assert_close(flat(state), flat(wanted), atol=ATOL, rtol=1e-3)


def flat(state: State) -> dict[str, Tensor]:
    return {f"{slot}.{name}": t for slot, tensors in state.items() for name, t in tensors.items()}


@pytest.mark.parametrize("engine", ["fast", "plain"])
@pytest.mark.parametrize("micro_batch", [4, 7, 100])
@pytest.mark.parametrize(("trainable", "changes"), [(ALL, {}), (TOP, {}), (TOP, RANDOM)])
def test_a_step_in_parts_is_the_step_of_the_whole_batch(
    engine: str, micro_batch: int, trainable: frozenset[str], changes: Mapping[str, HparamValue]
) -> None:
    config = replace(CONFIG, engine=engine)
    whole = trained((trainable, changes, config))
    assert_close(trained((trainable, changes, replace(config, micro_batch=micro_batch))), whole)


def test_gradients_of_parts_are_summed_in_float32() -> None:
    slot = SlotName("head")
    rate = LearningRate(peak=1.0, warmup=0.0, schedule="constant", num_steps=1, steps_per_cycle=1)
    zeros: State = {slot: {"weight": torch.zeros(2)}}
    parameters = FlatParameters(zeros, {}, hparams=HPARAMS, rate=rate, dtype=torch.bfloat16)
    weight = parameters.tensors[slot]["weight"]
    parameters.add(weight @ torch.tensor([256.0, 320.0], dtype=torch.bfloat16), 1.0)
    for _ in range(128):  # in bfloat16, 256 + 0.5 is 256
        parameters.add(weight[0], 0.5)
    parameters.step(ALONE)
    first, second = parameters.snapshot()[1][slot]["weight"]
    assert first == second != 0


@pytest.mark.parametrize("engine", ["fast", "plain"])
def test_no_more_images_than_asked_for_are_computed_at_once(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def spy(logits: Tensor, labels: Tensor) -> Tensor:
        sizes.append(len(logits))
        return cross_entropy(logits, labels)

    monkeypatch.setattr(f"taskgrove.trainer.{engine}.cross_entropy", spy)
    trained((TOP, {}, replace(CONFIG, engine=engine, cycles=1, micro_batch=4)))
    assert sizes == [4, 4, 4, 3] * 5


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("trainable", "changes"), [(ALL, {}), (TOP, RANDOM)])
def test_checkpoints_change_no_bit(
    precision: str, trainable: frozenset[str], changes: Mapping[str, HparamValue]
) -> None:
    config = replace(CONFIG, precision=precision)
    kept, again = (trained((trainable, changes, replace(config, checkpoint=c))) for c in (False, True))
    assert again.losses == kept.losses
    assert again.accuracies == kept.accuracies
    for name, tensor in flat(again.parameters).items():
        assert torch.equal(tensor, flat(kept.parameters)[name]), name


def kept_bytes(run: Callable[[Chain, Tensor], Tensor]) -> int:
    """What the forward pass of a batch keeps for the backward pass, parameters included."""
    network = network_of(ALL, HPARAMS)
    _, chain = chains_of(network, {slot.name: network.tensors(slot.name) for slot in network.slots})
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = run(chain, torch.rand(64, 3, 8, 8))
    assert logits.requires_grad
    return sum(kept.values())


def test_checkpoints_keep_a_fraction_of_the_activations() -> None:
    assert kept_bytes(through_again) < 0.3 * kept_bytes(through)


def test_how_much_is_fetched_at_once_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    much = trained((TOP, {}, CONFIG))
    monkeypatch.setattr("taskgrove.trainer.fast.WINDOW_BYTES", 1)
    monkeypatch.setattr("taskgrove.trainer.fast.CHUNK", 16)
    little = trained((TOP, {}, CONFIG))
    assert little.losses == much.losses


def test_the_settings_reach_the_trainer() -> None:
    config = build_train(TrainSpec(micro_batch=8, checkpoint=True), build_device("cpu"))
    assert (config.micro_batch, config.checkpoint) == (8, True)
    assert (TrainConfig().micro_batch, TrainConfig().checkpoint) == (0, False)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadValueError, match=r"train\.micro_batch must not be negative, got -1"):
        TrainSpec(micro_batch=-1)
    with pytest.raises(BadValueError, match=r"train\.checkpoint is for the fast engine"):
        TrainSpec(engine="plain", checkpoint=True)
