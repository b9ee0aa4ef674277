"""Joint pretraining: it learns, it can be continued bit for bit, and heads do not touch each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from taskgrove.backbones.assemble import Network, assemble
from taskgrove.backbones.families import family_of
from taskgrove.trainer.pretrain import PretrainConfig, Pretraining, Subject, joint_loss, learning_rate
from taskgrove.trainer.train import DivergedError

MEMBER = "vit-tiny-test"
CONFIG = PretrainConfig(
    steps=40,
    batch_size=32,
    lr=0.003,
    warmup=0.1,
    weight_decay=0.05,
    label_smoothing=0.1,
    strength=0.3,
    resolution=8,
    precision="fp32",
    val_cap=40,
    report_every=16,
    seed=0,
)


class Killed(Exception):
    pass


@pytest.fixture(autouse=True)
def one_thread(threads: None) -> None:
    """More only wait for each other on images this small, and would decide the last bits."""
    torch.set_num_threads(1)


def bars(labels: Tensor, side: int = 12) -> Tensor:
    """Class 0 is a lying bar, class 1 a standing one, at random places; light on dark."""
    generator = torch.Generator().manual_seed(len(labels))
    images = torch.zeros(len(labels), side, side, 1, dtype=torch.uint8)
    places = torch.randint(3, side - 4, labels.shape, generator=generator)
    for image, place, label in zip(images, places.tolist(), labels.tolist(), strict=True):
        (image if label == 0 else image.transpose(0, 1))[place : place + 2, 1:-1] = 255
    return images


def subject(name: str, swapped: bool, num: int = 100) -> Subject:
    """Bars; when swapped, each class is called by the other's number."""
    labels, val_labels = torch.arange(num) % 2, torch.arange(num // 2) % 2
    images, val_images = bars(labels), bars(val_labels)
    if swapped:
        labels, val_labels = 1 - labels, 1 - val_labels
    return Subject(
        name=name,
        num_classes=2,
        images=images,
        labels=labels,
        val_images=val_images,
        val_labels=val_labels,
    )


SUBJECTS = (subject("bars", swapped=False), subject("swapped", swapped=True, num=200))


def network(num_classes: int, seed: int = 0) -> Network:
    family = family_of(MEMBER)
    layout, hparams = family.layout(MEMBER), family.space(MEMBER).defaults()
    slots = [layout.slot(name, hparams, num_classes) for name in layout.root_slots()]
    generator = torch.Generator().manual_seed(seed)
    components = {slot.name: family.init(slot, generator) for slot in slots}
    return assemble(family, slots, components, frozenset(slot.name for slot in slots))


def pretraining(config: PretrainConfig, subjects: Sequence[Subject] = SUBJECTS, seed: int = 0) -> Pretraining:
    return Pretraining(network(2 * len(subjects), seed), subjects, config)


def test_it_learns_tasks_that_contradict_each_other() -> None:
    run = pretraining(replace(CONFIG, steps=200, report_every=50))
    run.run()
    assert [point.step for point in run.curve] == [50, 100, 150, 200]
    assert run.curve[-1].loss < run.curve[0].loss
    assert min(run.curve[-1].by_task.values()) > 0.9
    assert run.curve[-1].accuracy == pytest.approx(sum(run.curve[-1].by_task.values()) / 2)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("killed_at", [1, 16, 25])
def test_a_continued_run_equals_an_uninterrupted_one_bit_for_bit(precision: str, killed_at: int) -> None:
    config = replace(CONFIG, precision=precision)
    whole = pretraining(config)
    whole.run()

    def kill(run: Pretraining) -> None:
        if run.step == killed_at:
            raise Killed

    first = pretraining(config)
    with pytest.raises(Killed):
        first.run(kill)
    second = pretraining(config, seed=1)
    second.restore(first.state(), first.step, first.loss_sum, first.curve)
    second.run()
    assert second.curve == whole.curve
    expected = whole.state()
    assert second.state().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in second.state().items())


def test_the_seed_decides_everything() -> None:
    runs = [pretraining(replace(CONFIG, steps=5, seed=seed)) for seed in (0, 0, 1)]
    for run in runs:
        run.run()
    first, again, other = (run.state()["parameter/embedding/weight"] for run in runs)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_joint_loss_is_that_of_separate_heads(smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    tasks = [slice(0, 2), slice(2, 7), slice(7, 10)]
    rows = torch.randint(0, 3, (30,), generator=generator).tolist()
    joint = torch.randn(30, 10, generator=generator, requires_grad=True)
    plain = joint.detach().clone().requires_grad_()
    labels = torch.tensor(
        [tasks[row].start + i % (tasks[row].stop - tasks[row].start) for i, row in enumerate(rows)]
    )
    foreign = torch.ones(30, 10, dtype=torch.bool)
    for i, row in enumerate(rows):
        foreign[i, tasks[row]] = False
    loss = joint_loss(joint, labels, foreign, smoothing)
    expected = sum(
        cross_entropy(plain[i, tasks[row]], labels[i] - tasks[row].start, label_smoothing=smoothing)
        for i, row in enumerate(rows)
    ) / torch.tensor(30.0)
    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, joint)
    (wanted,) = torch.autograd.grad(expected, plain)
    torch.testing.assert_close(gradient, wanted)
    assert not gradient[foreign].any()


def test_a_task_is_seen_as_often_as_the_root_of_its_size_says() -> None:
    sizes = {"small": 10, "large": 1000}
    subjects = [subject(name, swapped=False, num=num) for name, num in sizes.items()]
    of_one_class = [replace(s, labels=torch.zeros_like(s.labels)) for s in subjects]
    run = pretraining(replace(CONFIG, steps=1, batch_size=4000), of_one_class)
    run.run()
    # The head starts at zero, so that the gradient of a class's bias counts the images of its task.
    small, _, large, _ = run.state()["exp_avg/head/bias"].tolist()
    assert large / small == pytest.approx((1000 / 10) ** 0.5, rel=0.15)


def test_norms_biases_and_embeddings_do_not_decay() -> None:
    still = replace(CONFIG, steps=1, warmup=0.0, lr=0.01)
    runs = [pretraining(replace(still, weight_decay=decay)) for decay in (0.0, 10.0)]
    for run in runs:
        run.run()
    plain, decayed = (run.named for run in runs)
    changed = {name for name in plain if not torch.equal(plain[name], decayed[name])}
    matrices = {name for name, p in plain.items() if p.ndim >= 2 and bool(p.any())}
    assert changed == matrices - {"cls/token", "pos/embedding"} - {"head/weight"}


def test_the_learning_rate_rises_and_then_falls_as_a_cosine() -> None:
    config = replace(CONFIG, steps=1000, warmup=0.1, lr=2.0)
    rates = [learning_rate(step, config) for step in range(1000)]
    assert rates[0] == pytest.approx(2.0 / 101)
    assert rates[50] == pytest.approx(2.0 * 51 / 101)
    assert max(rates) == rates[100] == 2.0
    assert rates[550] == pytest.approx(1.0)
    assert 0 < rates[-1] < 1e-4


def test_training_that_diverges_says_so() -> None:
    with pytest.raises(DivergedError, match=r"became (nan|inf) in step \d"):
        pretraining(replace(CONFIG, lr=1e30, warmup=0.0)).run()


def test_a_batch_size_beyond_the_data_is_no_trouble() -> None:
    run = pretraining(replace(CONFIG, steps=2, batch_size=500))
    run.run()
    assert math.isfinite(run.curve[-1].loss)
