"""TOML tables to frozen dataclasses: unknown keys and wrong types are refused with their place."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from taskgrove.domain.errors import BadValueError, UnknownNameError, UserError

T = TypeVar("T")


def read_table(path: Path) -> dict[str, Any]:
    """What a TOML file says.

    Raises:
        BadValueError: The file is missing or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadValueError(f"Cannot read {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadValueError(f"{path} is not valid TOML: {error}.") from error


@contextmanager
def located(place: str) -> Iterator[None]:
    """Put the place where a mistake stands before the message that says what it is."""
    try:
        yield
    except UserError as error:
        raise type(error)(f"{place}: {error}") from error


def decode(kind: type[T], table: Mapping[str, Any], place: str) -> T:
    """A frozen dataclass from a table.

    Args:
        kind: The dataclass.
        table: Values by field name.
        place: Where the table stands, for messages: `agent`, `tasks[2]`; empty for the top.
    """
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise UnknownNameError.of(f"setting in {place or 'the experiment'}", key, known)
    values = {key: _convert(hints[key], value, _join(place, key)) for key, value in table.items()}
    try:
        return kind(**values)
    except TypeError as error:
        missing = ", ".join(_missing(kind, values))
        raise BadValueError(f"{place or 'the experiment'} needs {missing}.") from error


def _missing(kind: type[Any], values: Mapping[str, Any]) -> list[str]:
    required = (f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING)
    return [name for name in required if name not in values]


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _convert(hint: Any, value: Any, place: str) -> Any:
    choices = [choice for choice in get_args(hint) if choice is not type(None)]
    if get_origin(hint) is UnionType and len(choices) == 1:
        inner = choices[0]
        if is_dataclass(inner) or get_origin(inner) is not None:
            hint = inner
    if is_dataclass(hint) and isinstance(hint, type):
        return decode(hint, expect(value, dict, place), place)
    if get_origin(hint) is tuple:
        items = expect(value, list, place)
        return tuple(_convert(get_args(hint)[0], v, f"{place}[{i}]") for i, v in enumerate(items))
    if get_origin(hint) is not None and issubclass(get_origin(hint), Mapping):
        return {k: _convert(get_args(hint)[1], v, _join(place, k)) for k, v in _flat(value, place)}
    allowed = tuple(a for a in (get_args(hint) or (hint,)))
    if type(value) in allowed:
        return value
    if type(value) is int and float in allowed:
        return float(value)
    names = " or ".join("nothing" if a is type(None) else a.__name__ for a in allowed)
    raise BadValueError(f"{place} must be {names}, got {value!r} ({type(value).__name__}).")


def expect(value: Any, kind: type[T], place: str) -> T:
    """The value, which must be a table or a list; says where it stands when it is not."""
    if not isinstance(value, kind):
        what = "a table" if kind is dict else "a list"
        raise BadValueError(f"{place} must be {what}, got {value!r}.")
    return value


def _flat(value: Any, place: str) -> list[tuple[str, Any]]:
    """Items of a table; TOML nests dotted keys such as `opt.lr`, which are names here."""
    pairs: list[tuple[str, Any]] = []
    for key, inner in expect(value, dict, place).items():
        if isinstance(inner, dict):
            pairs += [(f"{key}.{k}", v) for k, v in _flat(inner, f"{place}.{key}")]
        else:
            pairs.append((key, inner))
    return pairs
