"""What a worker sends: messages while a call runs, then what became of it."""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """Something that the call tells on its way."""

    message: object


@dataclass(frozen=True, slots=True)
class Done:
    """What the call has returned."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """What the call has raised."""

    error: Exception


def answer(call: bytes) -> bytes:
    """Carry out a pickled (function, arguments, keyword arguments); gives a pickled `Done` or `Failed`."""
    try:
        fn, args, kwargs = pickle.loads(call)
        return pickle.dumps(Done(fn(*args, **kwargs)))
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> bytes:
    """The error with its traceback as a note, since a traceback cannot travel."""
    note = f"It was raised in a worker:\n{''.join(traceback.format_exception(error))}"
    try:
        error.add_note(note)
        data = pickle.dumps(Failed(error))
        pickle.loads(data)
    except Exception:  # an error of a class that cannot be made again from its pickle
        plain = RuntimeError(f"{type(error).__name__}: {error}")
        plain.add_note(note)
        data = pickle.dumps(Failed(plain))
    return data
