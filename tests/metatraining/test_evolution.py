"""Noise and estimators: values by hand, and expectations in closed form on a problem whose losses are linear."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from fedkd.keys import key
from fedkd.metatraining.evolution import gradient, noise, persisted
from fedkd_compression import Key

STREAM = key(3, "optimizer")
SIGMAS = 5.0


def test_noise_is_normal() -> None:
    """Moments of 40,000 numbers, within five standard errors: of their mean 1, square 2, cube 15, fourth power 96."""
    drawn = noise(STREAM.spread(200), 200, 0.1) / 0.1
    assert (drawn.dtype, drawn.shape) == (torch.float64, (200, 200))
    for power, (expected, variance) in enumerate([(0, 1), (1, 2), (0, 15), (3, 96)], start=1):
        found = float((drawn**power).mean())
        assert abs(found - expected) < SIGMAS * (variance / drawn.numel()) ** 0.5, power
    beyond = float((drawn.abs() > 2).double().mean())
    assert abs(beyond - 0.0455) < SIGMAS * (0.0455 * 0.9545 / drawn.numel()) ** 0.5


def test_rows_of_noise_and_numbers_of_a_row_are_independent() -> None:
    drawn = noise(STREAM.spread(100), 100, 1.0)
    for products in (drawn[1:] * drawn[:-1], drawn[:, 1:] * drawn[:, :-1], drawn[:, :50] * drawn[:, 50:]):
        assert abs(float(products.mean())) < SIGMAS * products.numel() ** -0.5


def test_noise_is_a_function_of_the_stream_alone() -> None:
    streams = STREAM.spread(5)
    together = noise(streams, 202, 0.01)
    assert all(torch.equal(noise(streams.row(i), 202, 0.01)[0], together[i]) for i in range(5))
    assert torch.equal(noise(Key(streams.rows[::-1]), 202, 0.01).flip(0), together)
    assert torch.equal(noise(streams, 202, 0.02), 2 * together)


@pytest.mark.parametrize("share", [0.0, 1 - 2.0**-24])
def test_noise_is_finite_at_the_ends_of_the_uniform_numbers(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Key, "uniforms", lambda self, count: torch.full((len(self.rows), count), share))
    assert noise(STREAM, 4, 1.0).abs().max() < 6


def test_the_estimate_by_hand() -> None:
    """(3 - 1) (1, 2) / 2 and (1 - 2) (4, 0) / 2 over 2: (-1, 2) / (2 .5^2)."""
    above, below = torch.tensor([3.0, 1.0]), torch.tensor([1.0, 2.0])
    direction = torch.tensor([[1.0, 2.0], [4.0, 0.0]])
    assert gradient(above, below, direction, 0.5).tolist() == [-2.0, 4.0]


def test_sums_begin_with_their_task() -> None:
    total, eps = torch.tensor([[1.0], [1.0]]), torch.tensor([[10.0], [20.0]])
    assert persisted(total, eps, torch.tensor([False, True])).tolist() == [[11.0], [20.0]]


@dataclass
class Linear:
    """S <- decay s + theta from 0 at every step; the loss is w . s, meant over a truncation of ``steps``.

    Losses are linear in every truncation's theta, so that estimators have no bias of smoothing:
    d L_k / d theta_j = share(k - j) w, with truncations k and j of the same task.
    """

    decay: float = 0.9
    steps: int = 3
    truncations: int = 4
    weights: tuple[float, ...] = (1.0, -2.0, 0.5)

    def share(self, later: int) -> float:
        """Of the mean loss, from theta so many truncations before: sum of decay^(t - i), i within and t later."""
        powers = [
            self.decay ** (later * self.steps + t - i)
            for t in range(self.steps)
            for i in range(self.steps)
            if later > 0 or i <= t
        ]
        return sum(powers) / self.steps

    def expected(self, persistent: bool) -> Tensor:
        """The mean of both estimators over a task: of all thetas, or of the same truncation's alone."""
        shares = [self.share(k - j) for k in range(self.truncations) for j in range(k + 1) if persistent or j == k]
        return sum(shares) / self.truncations * torch.tensor(self.weights, dtype=torch.float64)

    def estimates(self, particles: int, batches: int, sigma: float, persistent: bool) -> Tensor:
        """Means of batches of particles, which are staggered, over one task's length [batches, numbers]."""
        theta = torch.tensor([0.3, 0.2, -0.4], dtype=torch.float64)
        state = torch.zeros(2, particles, 3, dtype=torch.float64)
        total, found = torch.zeros(particles, 3, dtype=torch.float64), []
        for at in range(2 * self.truncations):
            begins = (torch.arange(particles) + at) % self.truncations == 0
            state[:, begins] = 0
            eps = noise(STREAM.fold("linear", at).spread(particles), 3, sigma)
            total = persisted(total, eps, begins)
            losses = torch.zeros(2, particles, dtype=torch.float64)
            for _ in range(self.steps):
                state = self.decay * state + theta + torch.stack((eps, -eps))
                losses += state @ torch.tensor(self.weights, dtype=torch.float64) / self.steps
            # In the first length some had no beginning.
            if at >= self.truncations:
                direction = total if persistent else eps
                parts = (part.chunk(batches) for part in (*losses, direction))
                found.append(torch.stack([gradient(*part, sigma) for part in zip(*parts, strict=True)]))
        return torch.stack(found).mean(0)


@pytest.mark.theory
def test_persistent_strategies_are_unbiased_where_truncated_ones_are_not() -> None:
    """Both have the expectation of their closed form; only the persistent one's is the gradient of the mean loss."""
    problem = Linear()
    for persistent in (True, False):
        found = problem.estimates(16_000, 80, 0.1, persistent)
        error = found.std(0) / len(found) ** 0.5
        assert ((found.mean(0) - problem.expected(persistent)).abs() < SIGMAS * error).all(), persistent
        away = (found.mean(0) - problem.expected(True)).abs() / error
        assert persistent or (away > 4 * SIGMAS).all()


def test_the_closed_form_is_the_derivative_of_the_mean_loss() -> None:
    """Of one task without noise, by automatic differentiation."""
    problem = Linear()
    theta, state, loss = torch.zeros(3, dtype=torch.float64, requires_grad=True), 0, 0
    for _ in range(problem.truncations * problem.steps):
        state = problem.decay * state + theta
        loss = loss + state @ torch.tensor(problem.weights, dtype=torch.float64)
    (loss / (problem.truncations * problem.steps)).backward()
    torch.testing.assert_close(theta.grad, problem.expected(True))
