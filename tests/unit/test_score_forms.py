"""Forms of score by name: which one a method takes, and what its settings may be."""

from __future__ import annotations

import pytest

from taskgrove.agents.methods import AGENTS
from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.experiment.scores import FORMS, build_score
from taskgrove.experiment.spec import ScoreSpec
from taskgrove.scoring.base import Cost
from taskgrove.scoring.decay import DecayScore
from taskgrove.scoring.limit import LimitScore
from taskgrove.scoring.quality import QualityScore

ROOT = Cost(accounted_params=1_000.0, flops=500)
EACH = {
    "scale": ScoreSpec(scale=0.9),
    "params_constant": ScoreSpec(params_constant=5.0),
    "flops_constant": ScoreSpec(flops_constant=5.0),
    "count_roots": ScoreSpec(count_roots=False),
    "max_params": ScoreSpec(max_params=5.0),
    "max_flops": ScoreSpec(max_flops=5.0),
}
"""A specification that gives nothing but one setting."""
MEANT = {
    "quality": {"count_roots"},
    "munet": {"scale", "params_constant", "count_roots"},
    "mu2net_plus": {"scale", "params_constant", "flops_constant", "count_roots"},
    "limit": {"max_params", "max_flops", "count_roots"},
}


def decay(flops_constant: float, *, count_roots: bool) -> DecayScore:
    return DecayScore(
        scale=0.9, params_constant=1_000.0, flops_constant=flops_constant, count_roots=count_roots
    )


def test_each_method_has_the_form_of_its_paper() -> None:
    forms = {name: AGENTS[name].score_form for name in ("munet", "mu2net", "mu2net_plus")}
    assert forms == {"munet": "munet", "mu2net": "munet", "mu2net_plus": "mu2net_plus"}
    assert {agent.score_form for _, agent in AGENTS.items()} <= set(FORMS)


def test_the_methods_form_is_taken_unless_another_is_named() -> None:
    spec = ScoreSpec(scale=0.9)
    assert build_score(spec, "munet", ROOT) == decay(0.0, count_roots=False)
    assert build_score(spec, "mu2net_plus", ROOT) == decay(500.0, count_roots=True)
    assert build_score(ScoreSpec(), "quality", ROOT) == QualityScore(count_roots=True)
    named = ScoreSpec(form="mu2net_plus", scale=0.9)
    assert build_score(named, "munet", ROOT) == build_score(spec, "mu2net_plus", ROOT)


@pytest.mark.parametrize("form", ["quality", "munet", "mu2net_plus"])
def test_a_limit_makes_it_the_form_of_limits(form: str) -> None:
    assert build_score(ScoreSpec(max_params=9.0), form, ROOT) == LimitScore(max_params=9.0)
    assert build_score(ScoreSpec(max_flops=9.0), form, ROOT) == LimitScore(max_flops=9.0)
    both = ScoreSpec(max_params=8.0, max_flops=9.0)
    assert build_score(both, form, ROOT) == LimitScore(max_params=8.0, max_flops=9.0)


def test_given_constants_replace_those_of_the_root_and_zero_leaves_a_factor_out() -> None:
    given = build_score(ScoreSpec(scale=0.9, params_constant=7.0, flops_constant=0.0), "mu2net_plus", ROOT)
    assert given == DecayScore(scale=0.9, params_constant=7.0, flops_constant=0.0)
    without_size = build_score(ScoreSpec(scale=0.9, params_constant=0.0), "munet", ROOT)
    assert without_size.factor(ROOT) == 1.0


@pytest.mark.parametrize(
    ("form", "counts"), [("quality", True), ("munet", False), ("mu2net_plus", True), ("limit", True)]
)
def test_a_root_is_a_sharer_as_the_forms_paper_has_it_unless_told_otherwise(form: str, counts: bool) -> None:
    limit = 9.0 if form == "limit" else None
    assert build_score(ScoreSpec(max_params=limit), form, ROOT).count_roots is counts
    for told in (True, False):
        assert build_score(ScoreSpec(max_params=limit, count_roots=told), form, ROOT).count_roots is told


def test_every_form_says_which_settings_mean_something() -> None:
    assert {name: form.settings for name, form in FORMS.items()} == MEANT
    assert set().union(*MEANT.values()) == set(EACH)


@pytest.mark.parametrize(
    ("form", "setting"), [(form, name) for form in MEANT for name in EACH if name not in MEANT[form]]
)
def test_a_setting_that_means_nothing_is_refused(form: str, setting: str) -> None:
    spec = EACH[setting]
    named = ScoreSpec(
        form=form,
        scale=spec.scale,
        params_constant=spec.params_constant,
        flops_constant=spec.flops_constant,
        max_params=spec.max_params,
        max_flops=spec.max_flops,
    )
    with pytest.raises(BadValueError, match=rf"score\.{setting} means nothing in a score of form '{form}'"):
        build_score(named, "mu2net_plus", ROOT)


def test_limits_and_decay_cannot_be_mixed() -> None:
    with pytest.raises(BadValueError, match=r"score\.scale means nothing in a score of form 'limit'"):
        build_score(ScoreSpec(scale=0.9, max_params=5.0), "munet", ROOT)


def test_the_form_of_limits_needs_a_limit() -> None:
    with pytest.raises(BadValueError, match=r"needs score\.max_params, score\.max_flops or both"):
        build_score(ScoreSpec(form="limit"), "munet", ROOT)


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"no form of score named 'mu2net'.*Did you mean 'munet'"):
        build_score(ScoreSpec(form="mu2net"), "munet", ROOT)


@pytest.mark.parametrize("setting", sorted(EACH))
def test_given_settings_are_those_that_differ_from_their_defaults(setting: str) -> None:
    assert EACH[setting].given() == {setting}


def test_nothing_is_given_by_naming_a_form_or_by_repeating_a_default() -> None:
    assert ScoreSpec(form="munet", scale=1.0).given() == frozenset()
    assert ScoreSpec(params_constant=0.0).given() == {"params_constant"}
    assert ScoreSpec(count_roots=True).given() == {"count_roots"}
