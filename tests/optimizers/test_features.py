"""What the network sees: every input in its place, at its size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedkd.optimizers import STAR_FORM, Theta, before
from fedkd.optimizers.features import measured, time_of
from fedkd.optimizers.form import TIMES
from fedkd.optimizers.moments import moved

NOTHING_LEARNED = Theta(STAR_FORM, torch.zeros(202, dtype=torch.float64))
SHAPES = pytest.mark.parametrize("shape", [(), (6,), (7, 3), (3, 7), (6, 2, 3, 3)], ids=str)
DECAYS = np.array([0.9, 0.99, 0.999])


def seen(parameter: np.ndarray, *gradients: np.ndarray) -> np.ndarray:
    p = torch.from_numpy(np.array(parameter))
    state = before(p)
    for gradient in gradients:
        g = torch.from_numpy(np.array(gradient))
        state = moved(NOTHING_LEARNED, state, g)
    return measured(p, g, state).numpy()


def drawn(shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape), rng.standard_normal(shape), rng.standard_normal(shape)


def test_every_input_of_a_matrix_has_its_place() -> None:
    """After one gradient g of [2, 3]: m = (1 - d) g, R = (1 - d) mean over columns of g^2, C = ... over rows."""
    p, g, _ = drawn((2, 3))
    kept = (1 - DECAYS)[:, None, None]
    m, v = kept * g, 0.001 * g**2
    R = kept * (g**2).mean(1, keepdims=True) * np.ones((2, 3))
    C = kept * (g**2).mean(0, keepdims=True) * np.ones((2, 3))
    r = 1 / np.sqrt(v + 1e-6)
    # R is the same in all columns: its mean over rows.
    F = 1 / np.sqrt(R / (R[:, :, :1].mean(1, keepdims=True) + 1e-9)) / np.sqrt(C)
    rooted = [1 / np.sqrt(part + 1e-8) for part in (R, C)]
    parts = [g[None], p[None], m, v[None], m * r, r[None], g * F, R, C, *rooted, m * F]
    expected = np.concatenate(parts)
    expected /= np.sqrt(1e-5 + (expected**2).mean((1, 2), keepdims=True))
    np.testing.assert_allclose(seen(p, g), expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(), (6,)], ids=str)
def test_of_a_vector_rows_and_columns_are_the_square(shape: tuple[int, ...]) -> None:
    found = seen(*drawn(shape))
    assert found.shape == (28, *shape)
    np.testing.assert_array_equal(found[13:16], found[16:19])
    np.testing.assert_array_equal(found[19:22], found[22:25])


@SHAPES
def test_inputs_have_a_mean_square_of_one(shape: tuple[int, ...]) -> None:
    """But for the 1e-5 that is added: of inputs that are large, none is seen to be larger than another."""
    square = (seen(*(100 * part for part in drawn(shape))) ** 2).reshape(28, -1).mean(1)
    assert (square <= 1 + 1e-12).all()
    large = [0, 1, 2, 3, *range(6, 9), *range(10, 19), *range(25, 28)]
    assert (square[large] > 0.98).all()


@SHAPES
def test_the_gradients_size_is_not_seen(shape: tuple[int, ...]) -> None:
    """Far above all that is added; but for 1/sqrt of R and C in the last places."""
    p, *gradients = drawn(shape, 1)
    found = [seen(p, *(size * gradient for gradient in gradients)) for size in (1e4, 1e5)]
    scale_free = [*range(9), *range(10, 19), *range(25, 28)]
    np.testing.assert_allclose(found[0][scale_free], found[1][scale_free], rtol=1e-4)


@SHAPES
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-12, 1e12])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inputs_are_finite_whatever_the_gradient(shape: tuple[int, ...], size: float, dtype: torch.dtype) -> None:
    p, g, _ = (torch.from_numpy(np.array(part)).to(dtype) for part in drawn(shape))
    assert measured(p, size * g, moved(NOTHING_LEARNED.to(p), before(p), size * g)).isfinite().all()


@SHAPES
def test_the_order_in_memory_is_not_seen(shape: tuple[int, ...]) -> None:
    p, g, _ = (torch.from_numpy(np.array(part)) for part in drawn(shape))

    def turned(tensor: torch.Tensor) -> torch.Tensor:
        backwards = tuple(reversed(range(tensor.ndim)))
        return tensor.permute(backwards).contiguous().permute(backwards)

    other = measured(turned(p), turned(g), moved(NOTHING_LEARNED, before(turned(p)), turned(g)))
    np.testing.assert_allclose(other, measured(p, g, moved(NOTHING_LEARNED, before(p), g)), rtol=1e-13)


@pytest.mark.parametrize("step", [0, 1, 30, 123_456])
def test_time_is_eleven_clocks(step: int) -> None:
    like = torch.zeros((), dtype=torch.float64)
    expected = [np.tanh(step / tau - 1) for tau in TIMES]
    for given in (step, torch.tensor(step)):
        np.testing.assert_allclose(time_of(given, like), expected, rtol=1e-14, atol=1e-15)
    assert len(expected) == 11


def test_the_first_step_is_zero_on_every_clock() -> None:
    np.testing.assert_allclose(time_of(0, torch.zeros(())), np.full(11, np.tanh(-1)), rtol=1e-6)
