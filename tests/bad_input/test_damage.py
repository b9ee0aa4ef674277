"""Damage to a stored system is found by `check` and by every command that meets it, and is not made worse."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.header import VERSION
from taskgrove.store.keys import LOG
from tests.bad_input.refusals import GROW, assert_explained, done, snapshot, taskgrove

Harm = Callable[[bytes], bytes]
PREDICT = "predict grove a x.npy"
READING = ("status grove", "log grove", "show grove a", "evaluate grove", "report grove report", PREDICT)
WRITING = ("task add grove b npz:good.npz", f"grow grove {GROW}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One kind of damage.

    Attributes:
        id: Of the test.
        file: Where it happens: a record by its name, in a system that keeps a file per record, `JOURNAL`, or
            `BLOB` for a component of the model of `a`.
        harm: New content of the file from the old; None removes it.
        kind: Of the error in commands that meet it.
        says: Pattern of what they say.
        found: Pattern of what `check` says.
        stops: Commands that cannot do without what is damaged.
    """

    id: str
    file: str
    harm: Harm | None
    kind: str
    says: str
    found: str
    stops: Sequence[str]


def flipped(place: int) -> Harm:
    """The content with one bit changed."""
    return lambda data: data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


def of_version(version: int) -> Harm:
    """The header of a store that another version wrote."""
    return lambda data: json.dumps(json.loads(data) | {"version": version}).encode()


EVERYTHING = (*READING, *WRITING)
RECORD, NEWEST, JOURNAL, BLOB = "000000002.json", "000000007.json", "000000", "a component"


def header(id: str, harm: Harm, says: str) -> Damage:
    file = "taskgrove.json"
    return Damage(id=id, file=file, harm=harm, kind="store_format", says=says, found=says, stops=EVERYTHING)


def blob(id: str, harm: Harm | None, says: str) -> Damage:
    stops = (PREDICT, "evaluate grove")
    found = f"{says}; a model of commit .* from a backup"
    return Damage(id=id, file=BLOB, harm=harm, kind="store_corrupt", says=says, found=found, stops=stops)


def record(id: str, harm: Harm | None, says: str, found: str, file: str = RECORD) -> Damage:
    return Damage(id=id, file=file, harm=harm, kind="store_corrupt", says=says, found=found, stops=EVERYTHING)


def in_record(harm: Harm) -> Harm:
    """Harm of a journal, at the line before record 2 and from there on."""

    def harmed(data: bytes) -> bytes:
        start = data.index(b"000000000002 ")
        return data[:start] + harm(data[start:])

    return harmed


def frame(id: str, harm: Harm) -> Damage:
    says = f"{RECORD}: .* (checksum|not a record)"
    return record(id, in_record(harm), says, f"Commit 2: .*{RECORD}", JOURNAL)


DAMAGES = [
    header("an older format version", of_version(1), "version 1.* Use the version that made it"),
    header(
        "a newer format version",
        of_version(VERSION + 1),
        "version .* Use the version that made it",
    ),
    header("header of another program", lambda _: b"{}", "taskgrove.json .*cannot be read.* restore it"),
    header("truncated header", lambda data: data[:20], "taskgrove.json .*cannot be read.* restore it"),
    blob("truncated blob", lambda data: data[:-5], "another sha256"),
    blob("flipped bit in a blob", flipped(-1), "another sha256"),
    blob("empty blob", lambda _: b"", "another sha256"),
    blob("missing blob", None, "is missing"),
    record("flipped bit in a record", flipped(60), f"{RECORD}: .* checksum", f"Commit 2: .*{RECORD}"),
    record("truncated record", lambda data: data[:99], f"{RECORD}: .* not a record", f"Commit 2: .*{RECORD}"),
    record("empty newest", lambda _: b"", f"{NEWEST}: .* not a record", f"Commit 7: .*{NEWEST}", NEWEST),
    frame("flipped bit in a journal", flipped(60)),
    frame("flipped bit before a record of a journal", flipped(5)),
    frame("bytes missing in a journal", lambda data: data[:99] + data[120:]),
    record("gap in the log", None, f"{RECORD} is missing", "6 numbers are missing, .* from a backup"),
]


def harm(place: Path, damage: Damage) -> None:
    """Damage the system."""
    name = damage.file
    if name == BLOB:
        described = json.loads(done("show grove a --json"))
        name = f"{described['slots'][0]['component']}*"
    if name in (RECORD, NEWEST):
        keep_files(place / "grove")
    (file,) = (place / "grove").rglob(name)
    if damage.harm is None:
        file.unlink()
    else:
        file.write_bytes(damage.harm(file.read_bytes()))


def keep_files(grove: Path) -> None:
    """Give each record its own file, as on a network, and in a system from before journals."""
    journal = LocalBackend(grove)
    records = {entry.key: journal.get(entry.key) for entry in journal.list(LOG)}
    shutil.rmtree(grove / LOG)
    for key, data in records.items():
        (grove / key).parent.mkdir(parents=True, exist_ok=True)
        (grove / key).write_bytes(data or b"")


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.id)
def test_damage_is_reported_and_never_made_worse(place: Path, damage: Damage) -> None:
    np.save(place / "x.npy", np.zeros((8, 8), np.uint8))
    harm(place, damage)
    before = snapshot(place)
    for command in damage.stops:
        outcome = taskgrove(command)
        assert outcome.code == 4, (command, outcome.err)
        assert_explained(outcome, damage.kind, "", damage.says)
    checked = taskgrove("check grove --json")
    assert checked.code == 4
    problems = " ".join(json.loads(checked.out)["problems"])
    assert re.search(damage.found, problems), problems
    assert snapshot(place) == before


def test_a_journal_that_is_cut_off_is_told(place: Path) -> None:
    (journal,) = (place / "grove").rglob(JOURNAL)
    journal.write_bytes(journal.read_bytes()[:-9])
    told = json.loads(done("check grove --json"))
    assert told["problems"] == []
    assert re.search("ends inside record 7.* cut off", " ".join(told["unfinished"]))
