"""Exponential weights on a grid of predictions, at a rate that follows the losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkd.errors import ConfigurationError
from fedkd.predict.regret import Learner, Regret

Floats = NDArray[np.float64]

RATE = 2.0
"""c in rate = c ln n / gap: 2 learns faster than 1, and the bound's constant (1 + 1/c) sqrt(c)/2 is 1.06, not 1."""


class Experts(Learner):
    """Keeps a weight per prediction of a grid; needs to know neither the horizon nor how large losses are.

    With L the losses [n] so far, S_t largest minus least loss of outcome t, S the largest S_t:
        weights_t ~ exp(-rate_t L),   rate_t = 2 ln n / gap,   gap = sum of (w_t . l_t - mixed_t),
        mixed_t = -(1/rate_t) ln(w_t . exp(-rate_t l_t)).
    A rate doubled with time would be set for the worst case; this one falls only as far as weights disagree with
    losses, and no loss is thrown away when it falls (AdaHedge of de Rooij, van Erven, Gruenwald and Koolen, 2014, at
    c = 2). Before weights have ever been wrong the rate is infinite: they follow the leaders.

    Regret. A rate that never rises gives sum mixed <= min L + ln n/rate_T, so regret <= (1 + 1/c) gap. A term of the
    gap is at most S_t, at most rate S_t^2/8 (Hoeffding), and at most rate (v_t/2 + S_t term/3) (Bernstein), v_t being
    the weighted variance of l_t. With gap_T^2 = sum of term (term + 2 gap_{t-1}), x^2 <= a x + b => x <= a + sqrt(b):
        regret <= 1.5 gap,
        gap <= S + sqrt(2 ln n sum S_t^2)/2          so regret <= 1.061 S sqrt(T ln n) + 1.5 S,
        gap <= S (1 + 4/3 ln n) + sqrt(2 ln n sum v_t)   which stays small where weights settle.
    They hold for every sequence, adversarial ones too.

    Args:
        grid: the predictions [n], n >= 1; infinity may be one of them.

    Raises:
        ConfigurationError: the grid is empty or not a vector, or has a NaN.

    Example:
        >>> experts = Experts(np.array([1.0, 2.0, 3.0]))
        >>> experts.observe(np.array([1.0, 0.0, 0.5]))
        >>> experts.suggest(0.5)
        2.0
    """

    def __init__(self, grid: Floats) -> None:
        self.grid = np.array(grid, np.float64)
        if self.grid.ndim != 1 or not len(self.grid) or np.isnan(self.grid).any():
            raise ConfigurationError(f"Experts: grid of shape {self.grid.shape}; give a vector of at least one number")
        self._losses = np.zeros(len(self.grid))
        self._gap = self._largest = self._squares = self._variance = 0.0
        self._count, self._surrogate, self._optimum = 0, 0.0, 0.0

    @property
    def weights(self) -> Floats:
        """The distribution [n] from which to draw the next prediction; sums to 1."""
        weights = self._unscaled(self._losses)
        return np.asarray(weights / weights.sum(), np.float64)

    @property
    def gap(self) -> float:
        """What weights have cost above the mixed losses: regret <= 1.5 gap."""
        return self._gap

    @property
    def bound(self) -> float:
        """The lesser of both bounds on the sum of regrets, from the spans and variances of the losses so far."""
        entropy = math.log(len(self.grid))
        by_span = self._largest + math.sqrt(RATE * entropy * self._squares) / 2
        by_variance = self._largest * (1 + 2 * RATE / 3 * entropy) + math.sqrt(RATE * entropy * self._variance)
        return (1 + 1 / RATE) * min(by_span, by_variance)

    def suggest(self, uniform: float) -> float:
        """The entry of the grid at which the cumulative weight passes uniform.

        Args:
            uniform: in [0, 1); drawn uniformly, the entries come with probabilities ``weights``.

        Raises:
            ConfigurationError: uniform is not in [0, 1).
        """
        if not 0 <= uniform < 1:
            raise ConfigurationError(f"Experts: uniform={uniform} is not in [0, 1); draw it from there")
        passed = np.cumsum(self._unscaled(self._losses))
        return float(self.grid[np.searchsorted(passed, uniform * passed[-1], side="right")])

    def observe(self, losses: Floats, optimum: float = 0.0) -> None:
        """Learn from what every entry of the grid would have lost.

        Args:
            losses: [n], finite.
            optimum: the least that could have been paid, for the record.

        Raises:
            ConfigurationError: losses have another shape or are not finite.
        """
        losses = self._checked(losses)
        weights, least = self.weights, float(losses.min())
        excess = losses - least
        spread, paid = float(excess.max()), float(weights @ excess)
        after = self._losses + excess
        self._gap += min(max(paid - (self._mixed(after) - self._mixed(self._losses)), 0.0), spread)
        self._losses += losses
        self._largest, self._squares = max(self._largest, spread), self._squares + spread**2
        self._variance += float(weights @ (excess - paid) ** 2)
        self._count, self._surrogate = self._count + 1, self._surrogate + paid + least
        self._optimum += optimum

    def regret(self) -> Regret:
        """Surrogate and cost are both the expected loss of a prediction drawn from the weights; best is exact."""
        return Regret(self._count, self._surrogate, float(self._losses.min()), self._surrogate, self._optimum)

    def keep(self) -> dict[str, Any]:
        """All that was learned, the regret too, as numbers and arrays."""
        return {
            "grid": self.grid.copy(),
            "losses": self._losses.copy(),
            "rate": (self._gap, self._largest, self._squares, self._variance),
            "log": (self._count, self._surrogate, self._optimum),
        }

    @staticmethod
    def resumed(kept: Mapping[str, Any]) -> Experts:
        """With all that was learned before."""
        found = Experts(kept["grid"])
        found._losses = np.array(kept["losses"], np.float64)
        found._gap, found._largest, found._squares, found._variance = kept["rate"]
        found._count, found._surrogate, found._optimum = kept["log"]
        return found

    def _rate(self) -> float:
        return RATE * math.log(len(self.grid)) / self._gap if self._gap > 0 else math.inf

    def _unscaled(self, losses: Floats) -> Floats:
        """exp(-rate (L - min L)) [n]; the leaders alone where the rate is infinite."""
        behind, rate = losses - losses.min(), self._rate()
        return np.asarray(np.exp(-rate * behind) if rate < math.inf else behind == 0, np.float64)

    def _mixed(self, losses: Floats) -> float:
        """-(1/rate) ln sum of exp(-rate L): min L where the rate is infinite."""
        rate, least = self._rate(), float(losses.min())
        return least - math.log(float(self._unscaled(losses).sum())) / rate

    def _checked(self, losses: Floats) -> Floats:
        losses = np.asarray(losses, np.float64)
        if losses.shape != self.grid.shape or not np.isfinite(losses).all():
            given = f"{losses.shape}" if losses.shape != self.grid.shape else "numbers that are not finite"
            raise ConfigurationError(f"Experts: losses of {given}; give {len(self.grid)} finite numbers, one per entry")
        return losses
