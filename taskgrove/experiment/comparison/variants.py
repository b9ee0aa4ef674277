"""Comparisons as lists of variants of one experiment, read from one file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskgrove.domain.errors import BadValueError, DuplicateNameError, UnknownNameError
from taskgrove.experiment.decode import SEGMENTS, VARIANTS
from taskgrove.experiment.segments import REPLACED, refuse_repeated, segments_of
from taskgrove.experiment.spec import ExperimentSpec
from taskgrove.experiment.tables import decode, expect, located, read_table

CHANGED = ("root", *REPLACED, SEGMENTS)
"""Tables that a variant replaces as a whole when it names them."""
_LONGEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One of the experiments that are compared.

    Attributes:
        name: A free text that labels it in tables and pictures.
        specs: What is carried out, one segment after the other.
    """

    name: str
    specs: tuple[ExperimentSpec, ...]

    @property
    def slug(self) -> str:
        """The name as a folder.

        Example:
            >>> Variant(name="Full fine-tuning (8 x)", specs=()).slug
            'full-fine-tuning-8-x'
        """
        return re.sub(r"[^\w.+-]+", "-", self.name.lower()).strip("-.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    name: str


def read_variants(path: Path) -> tuple[Variant, ...]:
    """The experiments that a TOML file compares, in its order.

    Raises:
        BadValueError: The file is missing, is not TOML, a value is wrong, or it has no variants.
        UnknownNameError: A key is unknown.
        DuplicateNameError: Two variants have the same name, or names for the same folder.
    """
    table = read_table(path)
    with located(str(path)):
        base = {key: value for key, value in table.items() if key != VARIANTS}
        segments_of(base)
        entries = expect(table.get(VARIANTS, []), list, VARIANTS)
        if not entries:
            raise BadValueError(
                "The file has no variants, so there is nothing to compare. Add [[variants]] tables, each "
                "with a name and the tables that differ, or carry it out with "
                "`taskgrove run FILE --store GROVE`."
            )
        variants = tuple(_variant(base, entry, f"{VARIANTS}[{i}]") for i, entry in enumerate(entries))
        check_names(variants)
        return variants


def select(variants: Sequence[Variant], only: Sequence[str]) -> tuple[Variant, ...]:
    """The variants of these names in their own order; all for no name. Raises UnknownNameError."""
    names = [variant.name for variant in variants]
    for name in only:
        if name not in names:
            raise UnknownNameError.of("variant", name, names)
    return tuple(variant for variant in variants if not only or variant.name in only)


def check_names(variants: Sequence[Variant]) -> None:
    """Refuse names that are not unique, or do not give every variant a folder of its own."""
    refuse_repeated("variants", (variant.name for variant in variants))
    folders: dict[str, str] = {}
    for variant in variants:
        if not variant.slug or not variant.name.isprintable() or len(variant.name) > _LONGEST:
            raise BadValueError(
                f"{variant.name!r} cannot name a variant: use 1 to {_LONGEST} characters on one line with at "
                "least one letter or digit."
            )
        if variant.slug in folders:
            raise DuplicateNameError(
                f"The variants {folders[variant.slug]!r} and {variant.name!r} would both be kept in the "
                f"folder {variant.slug!r}. Name one of them otherwise."
            )
        folders[variant.slug] = variant.name


def _variant(base: Mapping[str, Any], entry: Any, place: str) -> Variant:
    table = expect(entry, dict, place)
    for key in table:
        if key not in ("name", *CHANGED):
            raise UnknownNameError.of(f"setting in {place}", key, ("name", *CHANGED))
    named = decode(_Named, {key: value for key, value in table.items() if key == "name"}, place)
    with located(f"variant {named.name!r}"):
        changed = {key: value for key, value in table.items() if key != "name"}
        return Variant(name=named.name, specs=segments_of({**base, **changed}))
