"""Several processes that train one child: the training of one process, and nobody ever waits in vain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from taskgrove.domain.errors import BadValueError
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import BlobId, ComponentId, SlotName
from taskgrove.domain.jobs import Clone, Fresh, Origin, Share
from taskgrove.experiment.group import lead, refuse_strangers, teamed
from taskgrove.experiment.job_messages import decode, encode
from taskgrove.experiment.spec import TrainSpec
from taskgrove.experiment.torchrun import Rank, rank_of_process
from taskgrove.trainer.distributed import ALONE, Team
from tests.forked import ended, ranks, start
from tests.unit import together, together_ends
from tests.unit.together import ALL, CHILDREN, CONFIG, SPEC, job, trained, work_of
from tests.unit.together_ends import SCENES

ATOL = 2e-5
"""See `test_large.ATOL`: two processes add the same numbers in another order."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes have found, in teams that end well and in others."""
    folder = tmp_path_factory.mktemp("teams")
    processes = [*ranks(2, together.main, folder, said=folder), start(together_ends.main, folder)]
    assert [ended(process) for process in processes] == [0, 0, 0]
    return folder


def trajectories(folder: Path, rank: int) -> Mapping[str, Mapping[str, Any]]:
    """What the children's training gave, in one of the processes."""
    found: Mapping[str, Mapping[str, Any]] = torch.load(folder / f"{rank}.pt", weights_only=True)
    return found


def flat(state: Mapping[Any, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{slot}.{name}": t for slot, tensors in state.items() for name, t in tensors.items()}


@pytest.mark.parametrize("name", CHILDREN)
def test_two_processes_train_as_one(played: Path, name: str) -> None:
    found, expected = trajectories(played, 0)[name], trained(CHILDREN[name])
    assert found["losses"] == pytest.approx(expected.losses, abs=ATOL)
    assert found["accuracies"] == expected.accuracies
    assert (found["samples"], found["val_samples"]) == (expected.samples, expected.val_samples)
    for part, wanted in (("parameters", expected.parameters), ("momentum", expected.momentum)):
        torch.testing.assert_close(flat(found[part]), flat(wanted), atol=ATOL, rtol=1e-3)


@pytest.mark.parametrize("name", CHILDREN)
def test_all_processes_have_the_same_child_to_the_last_bit(played: Path, name: str) -> None:
    first, second = (trajectories(played, rank)[name] for rank in range(2))
    for key, value in first.items():
        if key not in ("parameters", "momentum"):
            assert value == second[key]
        else:
            assert all(torch.equal(t, flat(second[key])[place]) for place, t in flat(value).items())


def test_what_fails_in_one_process_fails_in_all_and_the_next_job_is_whole(played: Path) -> None:
    found = json.loads((played / "outcomes.json").read_text(encoding="utf-8"))
    for number in ("0", "2", "5"):
        assert found[number]["quality"] == 2, "both processes took part"
    assert (found["1"]["kind"], found["1"]["text"]) == ("out_of_memory", "Process 1: There is no room.")
    assert (found["3"]["kind"], found["3"]["text"]) == ("out_of_memory", "There is no room.")
    assert found["4"] == {"error": "The data has gone."}


def test_the_devices_of_all_processes_are_counted(played: Path) -> None:
    found = json.loads((played / "outcomes.json").read_text(encoding="utf-8"))
    assert found["meters"] == {"device_s": 2.0, "x": 1.0}


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        ("follower_killed.0", "EnvironmentFailure: Process 0 of 2 has lost the others ("),
        ("follower_stops.0", "EnvironmentFailure: Process 1 stopped: TaskDataError('The data has gone.')."),
        ("follower_stops.1", "TaskDataError: The data has gone."),
        ("leader_killed.1", "EnvironmentFailure: Process 1 of 2 has lost the others ("),
        ("follower_hangs.0", "TeamLostError: "),
    ],
)
def test_a_process_that_ends_or_hangs_is_noticed(played: Path, scene: str, said: str) -> None:
    assert scene.partition(".")[0] in {each.__name__ for each in SCENES}
    text = (played / scene).read_text(encoding="utf-8")
    assert text.startswith(said)
    assert "\n" not in text


@given(size=st.integers(1, 9), count=st.integers(0, 40))
def test_shares_are_the_whole_in_order(size: int, count: int) -> None:
    rows = torch.arange(count)
    shares = [Team(rank, size).share(rows) for rank in range(size)]
    assert torch.equal(torch.cat(shares), rows)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_alone_nothing_is_shared() -> None:
    tensor, work = torch.ones(2), work_of(ALONE)
    ALONE.add(tensor)
    ALONE.finish()
    assert tensor.tolist() == [1, 1]
    assert ALONE.totals(3, 4) == (3, 4)
    assert lead(ALONE, work) is work
    with teamed([SPEC]) as team:
        assert team is ALONE


def test_more_processes_than_images_are_refused() -> None:
    with pytest.raises(BadValueError, match="16 processes cannot share batches of 15 images"):
        trained((ALL, {}, CONFIG), Team(0, 16))


def test_a_job_comes_back_as_it_was_sent() -> None:
    origins: list[Origin] = [
        Share(component=ComponentId("a")),
        Clone(component=ComponentId("b"), momentum=BlobId("m")),
        Clone(component=ComponentId("c"), resize=True),
        Fresh(),
    ]
    slots = tuple((SlotName(f"slot_{i}"), origin) for i, origin in enumerate(origins))
    hparams: Hparams = {"opt.lr": 0.1, "opt.nesterov": True, "data.resolution": 32, "opt.schedule": "cosine"}
    sent = replace(job(7), slots=slots, hparams=hparams, bar=1 / 3, strict=True, mu={"clone": 0.2})
    received = decode(encode(sent))
    assert received == sent
    assert [type(value) for value in received.hparams.values()] == [float, bool, int, str]


TORCHRUN = {
    "RANK": "3",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "4",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "29500",
}


def test_what_torchrun_says_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TORCHRUN.items():
        assert rank_of_process() == Rank(), f"{name} was still missing"
        monkeypatch.setenv(name, value)
    assert rank_of_process() == Rank(number=3, local=1, size=4)
    with pytest.raises(BadValueError, match="torchrun started 4 processes, but only `taskgrove run`"):
        refuse_strangers(ALONE)
    refuse_strangers(Team(3, 4))
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert rank_of_process() == Rank()
    refuse_strangers(ALONE)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (replace(SPEC, executor="processes"), "executor is 'processes', which trains several"),
        (replace(SPEC, train=TrainSpec(engine="plain", threads=1)), r"only train\.engine = fast shares"),
        (replace(SPEC, train=TrainSpec()), r"train\.threads = 0 would give all cores to each"),
    ],
)
def test_experiments_that_processes_cannot_share_are_refused(spec: Any, text: str) -> None:
    with pytest.raises(BadValueError, match=text), teamed([SPEC, spec], Rank(number=1, local=1, size=2)):
        pass
