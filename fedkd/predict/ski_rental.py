"""Ski rental that learns: which rule to follow, and how long to wait for the last of many."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkd.errors import ConfigurationError
from fedkd.predict.experts import Experts
from fedkd.predict.regret import Learner, Regret
from fedkd.predict.ski_rules import Rule

Floats = NDArray[np.float64]

REACH, STEPS = 64, 4
"""The default thresholds reach from price/64 to 64 prices, four to a factor of two."""


class LearnedTrust(Learner):
    """Learns which of several rules to follow, such as one rule at a grid of trusts; U_t is a rule's expected cost.

    `Experts` over the rules: expected cost <= that of the best fixed rule + 1.5 gap. No rule can cost more than
    b + b/trust, however long it lasts, and that bounds the regret however the days are drawn.

    Args:
        rules: one or more, all with the same price.

    Raises:
        ConfigurationError: there is no rule, or their prices differ.

    Example:
        >>> from fedkd.predict.ski_rules import Deterministic
        >>> learner = LearnedTrust([Deterministic(10, trust) for trust in (0.1, 0.5, 1.0)])
        >>> learner.observe(predicted=30.0, days=40)
        >>> learner.suggest(predicted=30.0, uniform=0.5)
        1
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        prices = sorted({rule.price for rule in self.rules})
        if len(prices) != 1:
            raise ConfigurationError(f"LearnedTrust: rules with prices {prices}; give at least one, all at one price")
        self._experts = Experts(np.arange(len(self.rules), dtype=np.float64))

    @property
    def bound(self) -> float:
        """Of the sum of regrets, from the costs so far."""
        return self._experts.bound

    def suggest(self, predicted: float, uniform: float) -> int:
        """The day to buy on.

        Args:
            predicted: days, >= 0; infinity is allowed.
            uniform: in [0, 1), drawn uniformly: it picks the rule, and what is left of it the rule's day.

        Raises:
            ConfigurationError: uniform is out of its range.
        """
        place = int(self._experts.suggest(uniform))
        weights = self._experts.weights
        left = (uniform - float(weights[:place].sum())) / float(weights[place])
        return self.rules[place].day(predicted, min(max(left, 0.0), 1 - 2**-53))

    def observe(self, predicted: float, days: int) -> None:
        """Learn from how long it lasted.

        Args:
            predicted: days that were predicted for it.
            days: >= 1.

        Raises:
            ConfigurationError: days is out of its range, or predicted is not a number.
        """
        if not days >= 1 or math.isnan(predicted):
            raise ConfigurationError(f"LearnedTrust: predicted={predicted}, days={days}; give a number and days >= 1")
        costs = np.array([rule.cost(predicted, days) for rule in self.rules])
        self._experts.observe(costs, optimum=min(days, self.rules[0].price))

    def regret(self) -> Regret:
        """Expected costs, beside those of the best fixed rule and the sum of min(days, price)."""
        return self._experts.regret()

    def keep(self) -> dict[str, Any]:
        """All that was learned, as numbers and arrays; the rules are given again."""
        return self._experts.keep()

    @staticmethod
    def resumed(kept: Mapping[str, Any], rules: Sequence[Rule]) -> LearnedTrust:
        """With all that was learned before about these rules."""
        found = LearnedTrust(rules)
        found._experts = Experts.resumed(kept)
        return found


class Threshold(Learner):
    """Learns how long to wait for K things, price being paid for each that is not there by then.

        U_t(tau) = min(max_k t_k, tau) + price #{k: t_k > tau},
    t_1..t_K being the times at which they come: a deadline for a round's clients; with K = 1, for how long to keep what
    a client may ask for again (rent is memory, price is loading it anew). `Experts` over a grid of tau, so that the
    sum of expected losses is at most that of the best fixed entry + ``bound``.

    Args:
        price: > 0, finite, in the unit of the times.
        grid: the tau [n], >= 0; infinity is allowed; ``thresholds(price)`` where it is not given.

    Raises:
        ConfigurationError: price is out of its range, or the grid is empty or has a negative entry.

    Example:
        >>> learner = Threshold(price=1.0, grid=np.array([0.0, 2.0, np.inf]))
        >>> learner.observe(np.array([0.5, 1.0, 1.5, 9.0]))
        >>> learner.suggest(uniform=0.5)
        2.0
    """

    def __init__(self, price: float, grid: Floats | None = None) -> None:
        self.price = _priced("Threshold", price)
        grid = thresholds(price) if grid is None else np.array(grid, np.float64)
        if not (grid >= 0).all():
            raise ConfigurationError(f"Threshold: the grid has {np.nanmin(grid)} or NaN; choose thresholds >= 0")
        self._experts = Experts(grid)

    @property
    def grid(self) -> Floats:
        """The thresholds [n]."""
        return self._experts.grid

    @property
    def weights(self) -> Floats:
        """The chance [n] of each threshold."""
        return self._experts.weights

    @property
    def bound(self) -> float:
        """Of the sum of regrets, from the losses so far."""
        return self._experts.bound

    def suggest(self, uniform: float) -> float:
        """How long to wait; maybe for ever.

        Raises:
            ConfigurationError: uniform is not in [0, 1).
        """
        return self._experts.suggest(uniform)

    def observe(self, times: Floats) -> None:
        """Learn from when they came, those after the threshold too.

        Args:
            times: [K], >= 0, K >= 1; finite: for one that never came, give the longest that would have been waited.

        Raises:
            ConfigurationError: there are no times, or one is negative or not finite.
        """
        times = np.sort(np.asarray(times, np.float64))
        if times.ndim != 1 or not times.size or not (times[0] >= 0 and times[-1] < np.inf):
            raise ConfigurationError(f"Threshold: times of shape {times.shape}; give at least one, finite and >= 0")
        at_once, late = self.price * len(times), np.arange(len(times) - 1.0, -1.0, -1.0)
        optimum = min(at_once, float((times + self.price * late).min()))
        self._experts.observe(losses(times, self.grid, self.price), optimum)

    def regret(self) -> Regret:
        """Expected losses, beside the best fixed threshold and the sum of each outcome's own best."""
        return self._experts.regret()

    def keep(self) -> dict[str, Any]:
        """All that was learned, the regret too, as numbers and arrays."""
        return {"price": self.price, "experts": self._experts.keep()}

    @staticmethod
    def resumed(kept: Mapping[str, Any]) -> Threshold:
        """With all that was learned before."""
        found = Threshold(kept["price"], kept["experts"]["grid"])
        found._experts = Experts.resumed(kept["experts"])
        return found


def losses(times: Floats, grid: Floats, price: float) -> Floats:
    """min(max_k t_k, tau) + price #{k: t_k > tau} for each tau of the grid [n], in O((K + n) log K) for K times."""
    ordered = np.sort(times)
    late = len(ordered) - np.searchsorted(ordered, grid, side="right")
    return np.asarray(np.minimum(ordered[-1], grid) + price * late, np.float64)


def thresholds(price: float, most: int = 1) -> Floats:
    """A grid that loses little: 0, price/64 to 64 price most in steps of 2^(1/4), infinity; 51 entries at most = 1.

    U(rho tau) <= rho U(tau) for rho >= 1: the next entry above a tau costs at most 19 % more, whatever the times. A tau
    below price/64 may become price/64: if anything is late the loss is at least price, and grows by 1/64 of it; if not,
    by price/64 at most. One above 64 price K may become 64 price K: what is then late costs price K, 1/64 of the wait.

    Args:
        price: > 0, finite.
        most: K >= 1, how many are waited for at once.

    Raises:
        ConfigurationError: a number is out of its range.

    Example:
        >>> thresholds(8.0)[[0, 1, 5, -2, -1]]
        array([0.00e+00, 1.25e-01, 2.50e-01, 5.12e+02,      inf])
    """
    if most < 1:
        raise ConfigurationError(f"thresholds: most={most}; choose most >= 1")
    top = math.ceil(STEPS * math.log2(REACH * REACH * most))
    steps = np.exp2(np.arange(top + 1) / STEPS) * _priced("thresholds", price) / REACH
    return np.concatenate([[0.0], steps, [np.inf]])


def _priced(who: str, price: float) -> float:
    if not 0 < price < math.inf:
        raise ConfigurationError(f"{who}: price={price} is not in (0, inf); choose price > 0")
    return float(price)
