"""The forms of score by name, and the score of an experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.experiment.spec import ScoreSpec
from taskgrove.scoring.base import AbstractScore, Cost
from taskgrove.scoring.decay import DecayScore
from taskgrove.scoring.limit import LimitScore
from taskgrove.scoring.quality import QualityScore

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form of score.

    Attributes:
        summary: One line for `taskgrove list scores`.
        settings: Of `ScoreSpec`, those that mean something in this form.
        of: The score, given the root's size and FLOPs for constants that are left out.
    """

    summary: str
    settings: frozenset[str]
    of: Callable[[ScoreSpec, Cost], AbstractScore]


def _quality(spec: ScoreSpec, root: Cost) -> AbstractScore:  # noqa: ARG001 - a form's signature
    return QualityScore(count_roots=_chosen(spec.count_roots, True))


def _munet(spec: ScoreSpec, root: Cost) -> AbstractScore:
    return DecayScore(
        scale=spec.scale,
        params_constant=_chosen(spec.params_constant, root.accounted_params),
        flops_constant=0.0,
        count_roots=_chosen(spec.count_roots, False),
    )


def _mu2net_plus(spec: ScoreSpec, root: Cost) -> AbstractScore:
    return DecayScore(
        scale=spec.scale,
        params_constant=_chosen(spec.params_constant, root.accounted_params),
        flops_constant=_chosen(spec.flops_constant, float(root.flops)),
        count_roots=_chosen(spec.count_roots, True),
    )


def _limit(spec: ScoreSpec, root: Cost) -> AbstractScore:  # noqa: ARG001 - a form's signature
    return LimitScore(
        max_params=spec.max_params,
        max_flops=spec.max_flops,
        count_roots=_chosen(spec.count_roots, True),
    )


FORMS: Mapping[str, Form] = {
    "quality": Form(
        summary="validation accuracy alone",
        settings=frozenset({"count_roots"}),
        of=_quality,
    ),
    "munet": Form(
        summary="q · s^(A/P): muNet, Eq. 2; a root does not count as a sharer",
        settings=frozenset({"scale", "params_constant", "count_roots"}),
        of=_munet,
    ),
    "mu2net_plus": Form(
        summary="q · s^(A/P) · s^(F/F0): µ2Net+, Eq. 1; a root counts as a sharer",
        settings=frozenset({"scale", "params_constant", "flops_constant", "count_roots"}),
        of=_mu2net_plus,
    ),
    "limit": Form(
        summary="the best q with at most N accounted parameters or F FLOPs",
        settings=frozenset({"max_params", "max_flops", "count_roots"}),
        of=_limit,
    ),
}


def build_score(spec: ScoreSpec, usual: str, root: Cost) -> AbstractScore:
    """The score of an experiment.

    Args:
        spec: Of the experiment.
        usual: The method's own form, taken unless the experiment names another, or a limit.
        root: Parameters and FLOPs of the root: the constants P and F0 unless given.

    Raises:
        UnknownNameError: There is no such form.
        BadValueError: A setting means nothing in the form, or is out of its range.
    """
    limited = spec.max_params is not None or spec.max_flops is not None
    name = spec.form or ("limit" if limited else usual)
    if name not in FORMS:
        raise UnknownNameError.of("form of score", name, FORMS)
    form = FORMS[name]
    idle = sorted(spec.given() - form.settings)
    if idle:
        raise BadValueError(
            f"score.{idle[0]} means nothing in a score of form {name!r}, which has "
            f"{', '.join(sorted(form.settings))}. Leave it out or choose another score.form "
            f"({', '.join(FORMS)})."
        )
    return form.of(spec, root)


def _chosen(given: T | None, usual: T) -> T:
    return usual if given is None else given
