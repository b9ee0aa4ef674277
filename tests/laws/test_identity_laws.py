"""The store finds the same ids of models as the records' own definition."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from taskgrove.domain.ids import AgentName, BlobId, CommitId, ComponentId, SlotName, TaskName
from taskgrove.domain.records import AddRoot, Commit, Component, Model, identity_of
from taskgrove.store.codec import decode, encode
from taskgrove.store.identity import fast_identity_of

WORDS = st.text(max_size=8)
WHOLE = st.integers(min_value=-(2**63), max_value=2**63 - 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
COMPONENTS = st.builds(
    Component,
    slot=WORDS.map(SlotName),
    kind=WORDS,
    id=WORDS.map(ComponentId),
    num_params=WHOLE,
    momentum=st.none() | WORDS.map(BlobId),
    cycles=st.dictionaries(WORDS.map(TaskName), WHOLE, max_size=4),
    last_task=st.none() | WORDS.map(TaskName),
)
MODELS = st.builds(
    Model,
    member=WORDS,
    num_classes=WHOLE,
    components=st.lists(COMPONENTS, max_size=3).map(tuple),
    hparams=st.dictionaries(WORDS, st.booleans() | WHOLE | NUMBERS | WORDS, max_size=4),
    mu=st.dictionaries(WORDS, NUMBERS, max_size=3),
    mutations=st.dictionaries(WORDS, NUMBERS, max_size=3),
    agent=st.none() | WORDS.map(AgentName),
    quality=NUMBERS,
)


@given(MODELS)
def test_the_fast_id_is_the_defined_one(model: Model) -> None:
    assert fast_identity_of(model) == identity_of(model)


@given(MODELS)
def test_so_it_is_for_what_comes_out_of_a_record(model: Model) -> None:
    commit = Commit(number=0, previous="", id=CommitId("a"), time=0.0, operation=AddRoot(model=model))
    stored = decode(encode(commit)).operation
    assert isinstance(stored, AddRoot)
    assert fast_identity_of(stored.model) == identity_of(model)


@given(MODELS, COMPONENTS)
def test_another_component_is_another_id(model: Model, component: Component) -> None:
    larger = replace(model, components=(*model.components, component))
    assert fast_identity_of(larger) != fast_identity_of(model)
