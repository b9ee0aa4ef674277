"""Hyperparameter search spaces: finite sequences of values with neighbour moves (µ2Net+, Table 1)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from taskgrove.domain.errors import BadValueError, UnknownNameError

HparamValue = bool | int | float | str
Hparams = Mapping[str, HparamValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The valid values of one hyperparameter.

    Attributes:
        name: Dotted name; the part before the dot says who consumes it (`opt.lr`, `data.flip`).
        values: At least one, distinct; in ascending order when `ordered`.
        default: One of `values`.
        ordered: Whether only adjacent values are neighbours; otherwise every other value is one.
    """

    name: str
    values: tuple[HparamValue, ...]
    default: HparamValue
    ordered: bool = True

    def __post_init__(self) -> None:
        if len(set(self.values)) != len(self.values) or not self.values:
            raise BadValueError(f"{self.name}: values must be distinct and not empty, got {self.values}.")
        if self.default not in self.values:
            raise BadValueError(f"{self.name}: the default {self.default!r} is not among {self.values}.")

    def find(self, value: HparamValue) -> HparamValue | None:
        """The choice's own value that equals `value`; a number is not a boolean."""
        alike = (v for v in self.values if v == value and isinstance(v, bool) == isinstance(value, bool))
        return next(alike, None)

    def neighbours(self, value: HparamValue) -> tuple[HparamValue, ...]:
        """Values one mutation away from `value`, each equally likely, never `value` itself.

        At an end of an ordered sequence there is one neighbour; the authors' notebooks clamp
        instead, which halves the mutation rate at the ends. A value outside the space (inherited
        from a wider one) moves to the nearest value, or for unordered choices to any.
        """
        if value not in self.values:
            return (self._nearest(value),) if self.ordered else self.values
        if not self.ordered:
            return tuple(v for v in self.values if v != value)
        i = self.values.index(value)
        return self.values[max(i - 1, 0) : i] + self.values[i + 1 : i + 2]

    def _nearest(self, value: HparamValue) -> HparamValue:
        if isinstance(value, str):
            return self.default
        return min(self.values, key=lambda v: abs(float(v) - float(value)))


@dataclass(frozen=True, slots=True)
class Space:
    """A search space: choices by name, in order of name so that sampling is reproducible."""

    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        names = [c.name for c in self.choices]
        if len(set(names)) != len(names):
            raise BadValueError(f"A space names each hyperparameter once, got {names}.")
        object.__setattr__(self, "choices", tuple(sorted(self.choices, key=lambda c: c.name)))

    def __iter__(self) -> Iterator[Choice]:
        return iter(self.choices)

    def __getitem__(self, name: str) -> Choice:
        for choice in self.choices:
            if choice.name == name:
                return choice
        raise UnknownNameError.of("hyperparameter", name, (c.name for c in self.choices))

    def __contains__(self, name: object) -> bool:
        return any(c.name == name for c in self.choices)

    def __or__(self, other: Space) -> Space:
        return Space(self.choices + other.choices)

    def defaults(self) -> dict[str, HparamValue]:
        """The default value of every hyperparameter."""
        return {c.name: c.default for c in self.choices}

    def with_defaults(self, overrides: Hparams) -> Space:
        """The same values with other defaults; refuses unknown names and values outside the space."""
        found: dict[str, HparamValue] = {}
        for name, value in overrides.items():
            known = self[name].find(value)
            if known is None:
                raise BadValueError(
                    f"{name} = {value!r} is not in its search space {list(self[name].values)}."
                )
            found[name] = known
        return Space(
            tuple(
                Choice(
                    name=c.name,
                    values=c.values,
                    default=found.get(c.name, c.default),
                    ordered=c.ordered,
                )
                for c in self.choices
            )
        )

    def with_values(self, values: Mapping[str, tuple[HparamValue, ...]]) -> Space:
        """Other values for some hyperparameters; one value means that it is no longer searched.

        A default that is not among the new values becomes the nearest of them.
        """
        for name, given in values.items():
            _check_values(self[name], given)
        changed = (_renewed(c, values[c.name]) if c.name in values else c for c in self.choices)
        return Space(tuple(changed))


def _check_values(choice: Choice, values: tuple[HparamValue, ...]) -> None:
    """Refuse values of another type, and text that nothing here can mean."""
    if not values:
        raise BadValueError(f"{choice.name} needs at least one value; known are {list(choice.values)}.")
    for value in values:
        if not _alike(choice.default, value):
            raise BadValueError(
                f"{choice.name} cannot be {value!r}: its values are like {list(choice.values)}."
            )
        if not choice.ordered and choice.find(value) is None:
            raise BadValueError(f"{choice.name} = {value!r} is not one of {list(choice.values)}.")


def _alike(default: HparamValue, value: HparamValue) -> bool:
    """Whether a value is of the default's type, without loss; an integer can be a float."""
    if isinstance(default, bool | str) or isinstance(value, bool | str):
        return type(default) is type(value)
    return math.isfinite(value) and (isinstance(default, float) or value == int(value))


def _renewed(choice: Choice, values: tuple[HparamValue, ...]) -> Choice:
    kind = type(choice.default)
    given = tuple(kind(value) for value in values)
    values = tuple(sorted(given)) if choice.ordered and kind is not str else given
    wider = Choice(name=choice.name, values=values, default=values[0], ordered=choice.ordered)
    default = choice.default if choice.default in values else wider.neighbours(choice.default)[0]
    return Choice(name=choice.name, values=values, default=default, ordered=choice.ordered)
