"""Server optimizers against their recursions in NumPy."""

import numpy as np
import pytest
import torch

from fedkd.algorithms import Adam, Carrying, Momentum, Sgd, Yogi
from fedkd.errors import ConfigurationError

MEANS = np.random.default_rng(0).standard_normal((12, 5))


def steps(optimizer):
    state = optimizer.start(model := torch.zeros(5, dtype=torch.float64))
    taken = []
    for mean in MEANS:
        step, state = optimizer.step(torch.from_numpy(mean), state, model)
        taken.append(step.numpy())
    return np.array(taken)


def test_sgd_scales():
    np.testing.assert_allclose(steps(Sgd(0.3)), 0.3 * MEANS, rtol=1e-15)


def test_momentum_accumulates():
    velocity, expected = np.zeros(5), []
    for mean in MEANS:
        velocity = 0.9 * velocity + mean
        expected.append(0.1 * velocity)
    np.testing.assert_allclose(steps(Momentum(0.1, 0.9)), expected, rtol=1e-13)


@pytest.mark.parametrize("kind", [Adam, Yogi])
def test_adaptive_methods_follow_their_second_moment(kind):
    m, v, expected = np.zeros(5), np.zeros(5), []
    for g in MEANS:
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g**2 if kind is Adam else v - 0.01 * g**2 * np.sign(v - g**2)
        expected.append(0.05 * m / (np.sqrt(v) + 1e-3))
    np.testing.assert_allclose(steps(kind(0.05, 0.9, 0.99, 1e-3)), expected, rtol=1e-12)


@pytest.mark.parametrize("rule", [Sgd(0.3), Momentum(0.1, 0.9), Adam(0.05, 0.9, 0.99, 1e-3)])
def test_what_is_carried_becomes_the_clients_mean_whatever_the_rule(rule):
    """W - G is the mean of the clients' values, since their updates are w - local."""
    taken, expected = steps(Carrying(rule, 2)), steps(rule)
    np.testing.assert_array_equal(taken[:, :3], expected[:, :3])
    np.testing.assert_array_equal(taken[:, 3:], MEANS[:, 3:])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sgd(0.0), "Sgd: step_size=0 is not positive; choose step_size > 0"),
        (lambda: Momentum(1.0, 1.0), "Momentum: momentum=1 is outside"),
        (lambda: Yogi(0.1, 0.9, 0.99, 0.0), "Yogi: epsilon=0 is not positive"),
    ],
)
def test_wrong_values_are_named(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()
