"""When phi <- phi - (alpha I + P) grad is stable on a noisy quadratic: what holds in every case, and what does not.

4,200 random cases, many of them close to a bound, on both sides of both.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sims.star.systems import Systems, skewed, turned

pytestmark = pytest.mark.theory

DIMS, COUNT = range(2, 9), 600
MANY = 300
Matrices = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def drawn(dim: int, matrices: Matrices, draws: np.random.Generator) -> Systems:
    """H of condition up to 1,000; the outer eigenvalues of P as near to their bounds as 1e-6, the others between.

    In units of 1/lambda_max(H) they are up to 1 away, above the upper bound up to 1,000.
    """
    condition = 10 ** draws.uniform(0, 3, (COUNT, 1))
    values = condition ** -draws.random((COUNT, dim)) * 10 ** draws.uniform(-1, 1, (COUNT, 1))
    most, alpha = values.max(1), draws.random(COUNT) * 2 / values.max(1) * (draws.random(COUNT) < 0.8)
    low = draws.choice([-1, 1], COUNT) * 10 ** draws.uniform(-6, 0, COUNT) / most
    high = np.where(draws.random(COUNT) < 0.5, -(10 ** draws.uniform(-6, 0, COUNT)), 10 ** draws.uniform(-3, 3, COUNT))
    high /= most
    lowest, highest = np.minimum(low - alpha, 2 / most - alpha + high), 2 / most - alpha + high
    own = lowest[:, None] + draws.random((COUNT, dim)) * (highest - lowest)[:, None]
    own[:, 0], own[:, -1] = lowest, highest
    return Systems(turned(values, draws), matrices(own, draws), alpha)


def cases(matrices: Matrices = turned) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of all cases: the spectral radius, and whether the eigenvalues of P keep to the lower and the upper bound."""
    draws, found = np.random.default_rng(0), []
    for dim in DIMS:
        systems = drawn(dim, matrices, draws)
        own = np.sort(np.linalg.eigvals(systems.learned).real, 1)
        found.append((systems.radius, own[:, 0] >= systems.least, own[:, -1] <= systems.most))
    radius, above, below = (np.concatenate(part) for part in zip(*found, strict=True))
    assert len(radius) >= 4000
    return radius, above, below


def test_the_lower_bound_is_necessary() -> None:
    radius, above, _ = cases()
    assert above[radius <= 1].all()
    assert (radius <= 1).sum() > MANY
    assert (~above).sum() > MANY


def test_both_bounds_are_sufficient() -> None:
    radius, above, below = cases()
    assert (radius[above & below] <= 1).all()
    assert (above & below).sum() > MANY
    assert (radius[above] > 1).sum() > MANY


def test_the_upper_bound_is_not_necessary() -> None:
    radius, above, below = cases()
    assert ((radius <= 1) & above & ~below).sum() > MANY


def test_the_lower_bound_alone_is_not_sufficient() -> None:
    radius, above, _ = cases()
    assert radius[above].max() > 1.5


def test_eigenvalues_of_a_matrix_that_is_not_symmetric_say_neither() -> None:
    radius, above, below = cases(skewed)
    assert radius[above & below].max() > 10
    assert (radius[above & below] > 1).sum() > MANY


def test_nor_do_those_of_its_symmetric_part() -> None:
    """That of a turn, however large, is zero, which keeps to both bounds, -1 and 1."""
    turn = np.array([[0.0, 3.0], [-3.0, 0.0]])
    [radius] = Systems(np.eye(2)[None], turn[None], np.ones(1)).radius
    assert radius == pytest.approx(3)


def test_at_its_bounds_a_single_coordinate_keeps_its_size() -> None:
    """A = 1 - (alpha + p) h: 1 at p = -alpha, -1 at p = 2/h - alpha, 0 between them."""
    h, alpha = np.array([0.5, 2.0, 3.0]), np.array([0.0, 0.5, 0.1])
    for p, expected in ((-alpha, 1), (2 / h - alpha, 1), (1 / h - alpha, 0)):
        systems = Systems(h[:, None, None], p[:, None, None], alpha)
        np.testing.assert_allclose(systems.radius, expected, atol=1e-14)
        np.testing.assert_allclose(systems.most, 2 / h - alpha)
