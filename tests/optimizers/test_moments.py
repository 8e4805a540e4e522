"""Running means of gradients, squares and their factors: shapes, places in memory, values by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedkd.keys import key
from fedkd.optimizers import STAR_FORM, Moments, Theta, before, drawn
from fedkd.optimizers.moments import factored, moved

NOTHING_LEARNED = Theta(STAR_FORM, torch.zeros(202, dtype=torch.float64))
DECAYS = np.array([0.9, 0.99, 0.999])


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((), None),
        ((5,), None),
        ((7, 3), (0, 1)),
        ((3, 7), (1, 0)),
        ((4, 4), (1, 0)),
        ((32, 16, 3, 3), (0, 1)),
        ((16, 32, 3, 3), (1, 0)),
        ((2, 3, 5, 5), (3, 2)),
        ((3, 2, 3), (2, 0)),
        ((1, 1), (1, 0)),
    ],
)
def test_the_two_longest_dimensions_are_factored(shape, axes):
    assert factored(shape) == axes


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [
        ((), (3,), (3, 0)),
        ((5,), (3, 5), (3, 0)),
        ((7, 2), (3, 2), (3, 7)),
        ((2, 7), (3, 2), (3, 7)),
        ((6, 4, 3, 3), (3, 4, 3, 3), (3, 6, 3, 3)),
    ],
)
@pytest.mark.parametrize("models", [None, 4])
def test_before_is_zero_in_the_shapes_that_means_keep(shape, rows, columns, models):
    lead = () if models is None else (models,)
    like = torch.ones((*lead, *shape), dtype=torch.float64)
    found = before(like, models)
    assert [part.shape for part in found] == [(*lead, 3, *shape), (*lead, *shape), (*lead, *rows), (*lead, *columns)]
    assert all(part.dtype == torch.float64 and not part.any() for part in found)
    one = like if models is None else like[0]
    after = moved(NOTHING_LEARNED, before(one), one)
    assert [part.shape[len(lead) :] for part in found] == [part.shape for part in after]


@pytest.mark.parametrize(
    "like",
    [
        torch.zeros(6, 4, 3, 5).contiguous(memory_format=torch.channels_last),
        torch.zeros(3, 7).T,
        torch.zeros(2, 5, 4).permute(2, 0, 1),
    ],
    ids=["channels last", "transposed", "permuted"],
)
def test_moments_lie_in_memory_as_the_tensor_does(like):
    found = before(like)
    assert found.second.stride() == like.stride()
    assert all(one.stride() == like.stride() for one in found.momenta)
    axes = factored(like.shape)
    for means, without in zip((found.rows, found.columns), axes, strict=True):
        # What is left of the tensor's dimensions, from the outermost in memory to the innermost.
        left = [like.stride(axis) for axis in range(like.ndim) if axis != without]
        order = sorted(range(len(left)), key=lambda place: left[place], reverse=True)
        assert means[0].permute(order).is_contiguous()


def test_moments_of_models_lie_as_those_of_each():
    like = torch.zeros(5, 6, 3, 3, 4).permute(0, 1, 4, 2, 3)
    for many, one in zip(before(like, models=5), before(like[0]), strict=True):
        assert many.stride()[1:] == one.stride()


def test_means_of_a_matrix_by_hand():
    """Two gradients; a row's mean runs over the three columns, the longest dimension."""
    g, h = (np.array(rows) for rows in ([[1.0, -2.0, 3.0], [0.0, 4.0, 0.0]], [[2.0, 2.0, 2.0], [-1.0, 0.0, 1.0]]))
    state = before(torch.zeros(2, 3, dtype=torch.float64))
    for gradient in (g, h):
        state = moved(NOTHING_LEARNED, state, torch.from_numpy(gradient))

    def mean(first, second):
        """At the three decays [3, *s]."""
        d = DECAYS.reshape(3, *[1] * first.ndim)
        return (1 - d) * (d * first + second)

    np.testing.assert_allclose(state.momenta, mean(g, h), rtol=1e-13, atol=1e-18)
    np.testing.assert_allclose(state.second, 0.001 * (0.999 * g**2 + h**2), rtol=1e-13)
    rows = mean(np.array([14 / 3, 16 / 3]), np.array([4, 2 / 3]))
    columns = mean(np.array([1 / 2, 10, 9 / 2]), np.array([5 / 2, 2, 5 / 2]))
    np.testing.assert_allclose(state.rows, rows, rtol=1e-13)
    np.testing.assert_allclose(state.columns, columns, rtol=1e-13)


@pytest.mark.parametrize("shape", [(), (4,)])
def test_what_is_not_factored_keeps_its_square_at_three_decays(shape):
    state = moved(NOTHING_LEARNED, before(torch.zeros(shape).double()), torch.full(shape, 3.0).double())
    np.testing.assert_allclose(state.rows, np.multiply.outer(9 * (1 - DECAYS), np.ones(shape)), rtol=1e-13)
    assert state.columns.shape == (3, 0)


def test_a_gradient_of_zeros_leaves_factors_above_zero():
    state = moved(NOTHING_LEARNED, before(torch.zeros(2, 3)), torch.zeros(2, 3))
    assert (state.rows > 0).all()
    assert (state.columns > 0).all()
    assert not state.second.any()


def test_rows_have_the_same_mean_as_the_square():
    gradient = torch.from_numpy(np.random.default_rng(0).standard_normal((6, 2, 3, 5)))
    state = moved(NOTHING_LEARNED, before(gradient), gradient)
    for means in (state.rows, state.columns):
        np.testing.assert_allclose(means.flatten(1).mean(1), (1 - DECAYS) * gradient.square().mean().item(), rtol=1e-13)


def test_every_mean_has_its_own_learned_decay():
    """What an offset moves, and what it leaves."""
    gradient = torch.ones(2, 3, dtype=torch.float64)
    theta = drawn(STAR_FORM, key(0, "optimizer"), torch.float64)
    whole = moved(theta, before(gradient), gradient)
    for place in range(7):
        vector = theta.vector.clone()
        vector[place] = 0.03
        other = moved(Theta(STAR_FORM, vector), before(gradient), gradient)
        differs = [
            (one != two).flatten(1).any(1).tolist() for one, two in zip(_parts(whole), _parts(other), strict=True)
        ]
        third = [[at == place - start for at in range(3)] for start in (0, 4, 4)]
        assert differs == [third[0], [place == 3], third[1], third[2]]


def _parts(moments: Moments) -> list[torch.Tensor]:
    return [moments.momenta, moments.second[None], moments.rows, moments.columns]
