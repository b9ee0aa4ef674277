"""Measures of dissimilarity against plain computations of their definitions, and their invariances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from taskgrove.domain.errors import BadValueError
from taskgrove.trainer.similarity.gram import Gram
from taskgrove.trainer.similarity.measures import DISSIMILARITIES
from taskgrove.trainer.similarity.measures.cka import LinearCka
from taskgrove.trainer.similarity.measures.rsa import Rsa

CPU = torch.device("cpu")
shapes = st.tuples(st.integers(3, 12), st.integers(1, 30), st.integers(0, 2**31))


def gram(x: Tensor, blocks: int = 1) -> Gram:
    found = Gram(len(x), CPU)
    for block in x.flatten(1).chunk(blocks, dim=1):
        found.add(block)
    return found


def drawn(num_samples: int, num_features: int, seed: int) -> Tensor:
    return torch.randn(num_samples, num_features, generator=torch.Generator().manual_seed(seed))


def plain_ranks(values: list[float]) -> list[float]:
    """The mean place of each value among all, by counting."""
    return [sum(v < x for v in values) + (sum(v == x for v in values) - 1) / 2 for x in values]


def plain_rsa(x: Tensor, y: Tensor) -> float:
    """The definition, pair by pair."""
    orders = []
    for z in (x, y):
        rows = z.flatten(1).double().numpy()
        pairs = [(i, j) for i in range(len(rows)) for j in range(i + 1, len(rows))]
        distances = [1.0 - float(np.corrcoef(rows[i], rows[j])[0, 1]) for i, j in pairs]
        orders.append(plain_ranks([round(distance, 9) for distance in distances]))
    return 1.0 - float(np.corrcoef(orders[0], orders[1])[0, 1])


def plain_cka(x: Tensor, y: Tensor) -> float:
    """The definition on centred features."""
    a, b = ((z.double() - z.double().mean(0)).numpy() for z in (x, y))
    return 1.0 - float(np.linalg.norm(a.T @ b) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)))


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 10), st.integers(2, 20), st.integers(2, 20), st.integers(0, 2**31))
def test_rsa_is_the_rank_correlation_of_dissimilarities(n: int, d: int, e: int, seed: int) -> None:
    x, y = drawn(n, d, seed), drawn(n, e, seed + 1)
    if d > 2 and e > 2:  # two features correlate by 1 or -1 up to rounding, which is no order
        assert Rsa().between(gram(x), gram(y)) == pytest.approx(plain_rsa(x, y), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 10), st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**31))
def test_cka_is_its_definition(n: int, d: int, e: int, seed: int) -> None:
    x, y = drawn(n, d, seed), drawn(n, e, seed + 1)
    assert LinearCka().between(gram(x), gram(y)) == pytest.approx(plain_cka(x, y), abs=1e-9)


@pytest.mark.parametrize("name", sorted(DISSIMILARITIES))
@settings(max_examples=25, deadline=None)
@given(shape=shapes, blocks=st.integers(1, 5), scale=st.floats(0.01, 100))
def test_a_layer_is_like_itself_however_it_is_cut_scaled_or_ordered(
    name: str, shape: tuple[int, int, int], blocks: int, scale: float
) -> None:
    measure, x = DISSIMILARITIES[name](), drawn(*shape)
    x = torch.cat((x, drawn(shape[0], 3, shape[2] + 1)), dim=1)
    features = torch.randperm(x.shape[1], generator=torch.Generator().manual_seed(shape[2]))
    same = gram(scale * x[:, features], blocks)
    assert measure.between(gram(x), same) == pytest.approx(0.0, abs=1e-6)
    y = drawn(shape[0], 7, shape[2] + 2)
    assert measure.between(gram(x), gram(y)) == pytest.approx(measure.between(gram(y), same), abs=1e-6)


@pytest.mark.parametrize("name", sorted(DISSIMILARITIES))
def test_unrelated_layers_are_less_alike_than_noisy_copies(name: str) -> None:
    measure, x = DISSIMILARITIES[name](), drawn(40, 60, 0)
    noisy, unrelated = x + 0.3 * drawn(40, 60, 1), drawn(40, 60, 2)
    copy, other = measure.between(gram(x), gram(noisy)), measure.between(gram(x), gram(unrelated))
    assert 0.0 < copy < 0.5 * other
    assert other <= 2.0


@pytest.mark.parametrize("name", sorted(DISSIMILARITIES))
@pytest.mark.parametrize("dead", [torch.zeros(6, 4), torch.ones(6, 4), torch.full((6, 4), 1e6)])
def test_a_layer_that_sees_no_differences_is_unrelated_to_all(name: str, dead: Tensor) -> None:
    measure = DISSIMILARITIES[name]()
    assert measure.between(gram(dead), gram(drawn(6, 9, 0))) == pytest.approx(1.0)
    assert measure.between(gram(dead), gram(dead)) == pytest.approx(1.0)


def test_activations_of_any_shape_and_precision_are_taken() -> None:
    x = drawn(5, 24, 3)
    whole = gram(x.to(torch.bfloat16).reshape(5, 2, 3, 4)).correlations()
    torch.testing.assert_close(whole, gram(x).correlations(), atol=0.02, rtol=0)


def test_large_offsets_do_not_drown_the_differences() -> None:
    x = drawn(6, 500, 4)
    torch.testing.assert_close(gram(x + 1000).correlations(), gram(x).correlations(), atol=1e-3, rtol=0)


def test_bad_activations_are_refused() -> None:
    with pytest.raises(BadValueError, match="at least 3 samples"):
        Gram(2, CPU)
    with pytest.raises(BadValueError, match="were announced"):
        Gram(4, CPU).add(torch.ones(3, 2))
    with pytest.raises(BadValueError, match="diverged"):
        Gram(3, CPU).add(torch.tensor([[1.0], [float("nan")], [2.0]]))
    for empty in (Gram(3, CPU).correlations, Gram(3, CPU).centred):
        with pytest.raises(BadValueError, match="without activations"):
            empty()
