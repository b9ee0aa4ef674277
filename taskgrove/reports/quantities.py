"""Numbers as people read them: 1.48 M parameters, 91.2 %, 2 h 05 min."""

from __future__ import annotations

from datetime import UTC, datetime

from taskgrove.domain.ids import ComponentId, ModelId

_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_ID_LENGTH = 8
MISSING = "–"
"""Stands for a number that is not known (yet)."""


def human(value: float | None, unit: str = "") -> str:
    """A count with three significant digits.

    Example:
        >>> human(1_484_162), human(14_800_000, "FLOP"), human(192), human(999_999)
        ('1.48 M', '14.8 MFLOP', '192', '1.00 M')
    """
    if value is None:
        return MISSING
    for size, prefix in _PREFIXES:
        if abs(value) >= size * (0.9995 if prefix != "k" else 0.99995):
            return f"{_three_digits(value / size)} {prefix}{unit}"
    text = f"{value:.0f}" if value == int(value) else f"{value:.1f}"
    return f"{text} {unit}".strip()


def percent(value: float | None) -> str:
    """A fraction in [0, 1] in percent with one decimal.

    Example:
        >>> percent(0.9123)
        '91.2'
    """
    return MISSING if value is None else f"{100 * value:.1f}"


def duration(seconds: float) -> str:
    """A duration in its two largest units.

    Example:
        >>> duration(7_500), duration(75), duration(12.3)
        ('2 h 05 min', '1 min 15 s', '12 s')
    """
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def utc(time: float) -> str:
    """Seconds since the epoch as date and time.

    Example:
        >>> utc(0.0)
        '1970-01-01 00:00:00'
    """
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")


def short(identity: ModelId | ComponentId) -> str:
    """The first characters of an id: enough to tell ids apart by eye."""
    return identity[:_ID_LENGTH]


def plural(count: int, noun: str, several: str = "") -> str:
    """A count with its noun; `several` is its plural, with an s by default.

    Example:
        >>> plural(1, "task"), plural(0, "task"), plural(2, "child", "children")
        ('1 task', '0 tasks', '2 children')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {several or noun + 's'}"


def _three_digits(value: float) -> str:
    magnitude = abs(value)
    return f"{value:.2f}" if magnitude < 9.995 else f"{value:.1f}" if magnitude < 99.95 else f"{value:.0f}"
