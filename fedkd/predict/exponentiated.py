"""Exponentiated gradient: a distribution on n points, learned from gradients of a convex surrogate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkd.errors import ConfigurationError
from fedkd.predict.experts import Experts
from fedkd.predict.regret import Learner, Regret

Floats = NDArray[np.float64]


class ExponentiatedGradient(Learner):
    """Suggests p [n], p >= 0, sum 1; U_t is convex on the simplex and g_t [n] its (sub)gradient at p_t.

        p_i ~ exp(-rate sum of g_i)
    are the weights of `Experts` whose losses are gradients, and so is the rate: neither the horizon nor the gradients'
    size is known. Convexity gives U_t(p_t) - U_t(p) <= g_t . (p_t - p), hence, S being the largest max g_t - min g_t,
        regret <= sum of g_t . p_t - min_i sum of g_ti <= 1.061 S sqrt(T ln n) + 1.5 S.

    ``best`` is what the gradients say of the best fixed p: sum U_t(p_t) - (sum g_t . p_t - min_i sum g_ti). It is
    exact where U_t is linear, U_t(p) = g_t . p, and otherwise at most the true one: regret is never understated.

    Args:
        points: n >= 1.

    Raises:
        ConfigurationError: there is no point.

    Example:
        >>> learner = ExponentiatedGradient(points=2)
        >>> learner.observe(np.array([1.0, 0.0]))
        >>> learner.suggest().round(2)
        array([0.06, 0.94])
    """

    def __init__(self, points: int) -> None:
        if points < 1:
            raise ConfigurationError(f"ExponentiatedGradient: points={points}; choose points >= 1")
        self._experts = Experts(np.arange(points, dtype=np.float64))
        self._surrogate = self._cost = 0.0

    @property
    def bound(self) -> float:
        """Of the sum of regrets, from the gradients so far."""
        return self._experts.bound

    def suggest(self) -> Floats:
        """The distribution [n]."""
        return self._experts.weights

    def observe(
        self, gradient: Floats, loss: float | None = None, cost: float | None = None, optimum: float = 0.0
    ) -> None:
        """Learn from the surrogate at the distribution that was suggested.

        Args:
            gradient: g_t [n], finite.
            loss: U_t(p_t); g_t . p_t where it is not given.
            cost: what the algorithm paid; the loss where it is not given.
            optimum: the least that could have been paid, for the record.

        Raises:
            ConfigurationError: the gradient has another shape or is not finite.
        """
        before = self._experts.regret().surrogate
        self._experts.observe(gradient, optimum)
        loss = self._experts.regret().surrogate - before if loss is None else loss
        self._surrogate += loss
        self._cost += loss if cost is None else cost

    def regret(self) -> Regret:
        """Sums of U_t(p_t), beside what the gradients say of the best fixed p."""
        linear = self._experts.regret()
        best = self._surrogate - (linear.surrogate - linear.best)
        return Regret(linear.count, self._surrogate, best, self._cost, linear.optimum)

    def keep(self) -> dict[str, Any]:
        """All that was learned, the regret too, as numbers and arrays."""
        return {"experts": self._experts.keep(), "log": (self._surrogate, self._cost)}

    @staticmethod
    def resumed(kept: Mapping[str, Any]) -> ExponentiatedGradient:
        """With all that was learned before."""
        experts = Experts.resumed(kept["experts"])
        found = ExponentiatedGradient(len(experts.grid))
        found._experts, (found._surrogate, found._cost) = experts, kept["log"]
        return found
