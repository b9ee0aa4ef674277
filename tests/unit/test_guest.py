"""A worker in a process that something else watches over."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import Any

import pytest

from taskgrove.coordinator.workers.answers import Done, Failed, Told
from taskgrove.coordinator.workers.guest import Guest
from taskgrove.domain.errors import BadValueError
from tests.unit import calls


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> Guest:
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # which a guest replaces
    return Guest(3)


def said(guest: Guest, fn: Callable[..., Any], *args: Any) -> list[Any]:
    return [pickle.loads(data) for data in guest.call(pickle.dumps((fn, args, {})))]


def test_it_gives_out_what_a_call_tells_and_then_what_it_returns(guest: Guest) -> None:
    assert said(guest, calls.tell, ["a", 2, None]) == [Told("a"), Told(2), Told(None), Done(3)]
    assert said(guest, calls.tell, []) == [Done(0)]


def test_it_knows_its_number_in_every_call(guest: Guest) -> None:
    assert [said(guest, calls.number) for _ in range(2)] == [[Done(3)], [Done(3)]]
    assert calls.number() is None


def test_all_calls_run_in_one_thread(guest: Guest) -> None:
    assert said(guest, calls.thread) == said(guest, calls.thread)
    assert said(guest, calls.thread) != [Done(calls.thread())]


def test_an_error_is_an_answer(guest: Guest) -> None:
    (failed,) = said(guest, calls.fail, BadValueError("bad"))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, BadValueError)
    assert said(guest, calls.tell, []) == [Done(0)]


def test_a_message_that_cannot_travel_fails_the_call(guest: Guest) -> None:
    (failed,) = said(guest, calls.tell_what_cannot_travel)
    assert isinstance(failed, Failed)
    assert "pickle" in str(failed.error)


def test_what_a_call_prints_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    said(Guest(0), calls.chatter)
    assert capsys.readouterr() == ("", "a word from a plug-in\n")
