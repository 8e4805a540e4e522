"""Preferential round robin that learns job lengths, and how far to trust them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkd.errors import ConfigurationError
from fedkd.predict.descent import LinearDescent, checked
from fedkd.predict.experts import Experts
from fedkd.predict.regret import Learner, Regret
from fedkd.predict.round_robin import completions, optimum, trusted

Floats = NDArray[np.float64]

TRUSTS = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)


class LearnedRobin(Learner):
    """Learns job lengths from features (`LinearDescent`) and how far to trust them (`Experts` on a grid of lambda).

        U_t(lambda) = sum of completion times on one machine/its optimum,   lengths being predicted as of before t.
    Its average is at most that of the best fixed lambda + regret/T; ``lengths.regret()`` says what |y - p|_1 was beside
    the best fixed matrix. Lengths are at least 1, and predicted so.

    Args:
        features: f >= 1, how many numbers describe a job; give a constant 1 among them for an intercept.
        radius: > 0; largest size of a weight of the lengths.
        trusts: the grid of lambda, each in [0, 1].

    Raises:
        ConfigurationError: a number is out of its range.

    Example:
        >>> learner = LearnedRobin(features=1, radius=8.0)
        >>> learner.observe(np.array([[2.0], [1.0]]), np.array([9.0, 4.0]))
        >>> predicted, trust = learner.suggest(np.array([[1.0], [3.0]]), uniform=0.5)
        >>> predicted.round(1)
        array([ 4.4, 13.3])
    """

    def __init__(self, features: int, radius: float, trusts: tuple[float, ...] = TRUSTS) -> None:
        self.lengths = LinearDescent(features, 1, radius)
        self._trusts = Experts(np.array([trusted("LearnedRobin", trust) for trust in trusts]))
        self._cost = self._optimum = 0.0

    @property
    def bound(self) -> float:
        """Of the sum of regrets of lambda, from the ratios so far."""
        return self._trusts.bound

    def suggest(self, features: Floats, uniform: float) -> tuple[Floats, float]:
        """Predicted lengths [n] of n jobs with features [n, f], and lambda drawn with uniform in [0, 1)."""
        return self._predicted(features), self._trusts.suggest(uniform)

    def observe(self, features: Floats, lengths: Floats) -> None:
        """Learn from n jobs that were scheduled together.

        Args:
            features: [n, f], finite.
            lengths: [n], finite, >= 1.

        Raises:
            ConfigurationError: shapes do not agree, a number is not finite, or a length is below 1.
        """
        lengths = checked("LearnedRobin", "lengths", lengths, len(features))
        if not lengths.size or lengths.min() < 1:
            raise ConfigurationError(f"LearnedRobin: {lengths.size} lengths, some below 1 or none; choose a finer unit")
        predicted, best = self._predicted(features), optimum(lengths)
        ratios = [completions(lengths, predicted, trust).sum() / best for trust in self._trusts.grid.tolist()]
        self._cost += float(self._trusts.weights @ ratios) * best
        self._optimum += best
        self._trusts.observe(np.array(ratios))
        for feature, length in zip(features, lengths, strict=True):
            self.lengths.observe(feature, np.array([length]))

    def regret(self) -> Regret:
        """Ratios to the optimum, beside the best fixed lambda; cost and optimum are sums of completion times."""
        of = self._trusts.regret()
        return Regret(of.count, of.surrogate, of.best, self._cost, self._optimum)

    def keep(self) -> dict[str, Any]:
        """All that was learned, as numbers and arrays; of the regret, that of lambda."""
        kept = {"lengths": self.lengths.keep(), "trusts": self._trusts.keep()}
        return kept | {"log": (self._cost, self._optimum)}

    @staticmethod
    def resumed(kept: Mapping[str, Any]) -> LearnedRobin:
        """With all that was learned before."""
        lengths, trusts = LinearDescent.resumed(kept["lengths"]), Experts.resumed(kept["trusts"])
        found = LearnedRobin(len(lengths.matrix), lengths.radius)
        found.lengths, found._trusts = lengths, trusts
        found._cost, found._optimum = kept["log"]
        return found

    def _predicted(self, features: Floats) -> Floats:
        rows = [self.lengths.suggest(row) for row in features]
        return np.maximum(np.array(rows, np.float64).reshape(len(rows)), 1.0)
