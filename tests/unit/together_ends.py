"""How teams end badly: two processes play each scene, forked from this one, and write what they raise."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch

from taskgrove.domain.errors import EnvironmentFailure, TaskDataError
from taskgrove.domain.jobs import Outcome, TrainJob
from taskgrove.experiment.group import follow, lead, teamed
from taskgrove.experiment.torchrun import Rank
from taskgrove.trainer.distributed import Team, TeamLostError
from tests.unit.together import FINE, FOLLOWER_STOPS, SPEC, job, play, work_of

HANG_S = 60.0


def die(*_: object) -> Outcome:
    """End without a word, as when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def perform(rank: int, train: Callable[[Team, TrainJob], Outcome], number: int) -> None:
    """One job in a team whose follower trains in some way."""
    with teamed([SPEC], Rank(number=rank, local=rank, size=2)) as team:
        if team.leads:
            lead(team, work_of(team)).train(job(number))
        else:
            follow(team, partial(train, team))


def follower_killed(rank: int) -> None:
    perform(rank, die, FINE)


def follower_stops(rank: int) -> None:
    perform(rank, play, FOLLOWER_STOPS)


def leader_killed(rank: int) -> None:
    with teamed([SPEC], Rank(number=rank, local=rank, size=2)) as team:
        if team.leads:
            lead(team, work_of(team)).train(job(FINE))
            die()
        follow(team, partial(play, team))


def follower_hangs(rank: int) -> None:
    team = Team.join(rank, 2, cuda=False, timeout_s=1.0)
    if not team.leads:
        time.sleep(HANG_S)
    team.add(torch.ones(1))


SCENES = (follower_killed, follower_stops, leader_killed, follower_hangs)
SPEAKER: Mapping[str, int] = {"leader_killed": 1}
"""Whose word counts; the leading process's where nothing is said."""


def act(scene: Callable[[int], None], rank: int, folder: Path) -> None:
    """Play a part and write what came of it."""
    said = "ended well"
    try:
        scene(rank)
    except (EnvironmentFailure, TaskDataError, TeamLostError) as error:
        said = f"{type(error).__name__}: {error}"
    (folder / f"{scene.__name__}.{rank}").write_text(said, encoding="utf-8")
    os._exit(0)


def stage(scene: Callable[[int], None], folder: Path) -> None:
    """Have two processes play a scene; it is over when the one whose word counts has spoken."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(probe.getsockname()[1]))
    actors = []
    for rank in range(2):
        actors.append(os.fork())
        if not actors[-1]:
            act(scene, rank, folder)
    speaker = SPEAKER.get(scene.__name__, 0)
    os.waitpid(actors[speaker], 0)
    os.kill(actors[1 - speaker], signal.SIGKILL)
    os.waitpid(actors[1 - speaker], 0)


def main(folder: Path) -> None:
    """Play all scenes."""
    torch.set_num_threads(1)
    for each in SCENES:
        stage(each, folder)
