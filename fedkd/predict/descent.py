"""Online gradient descent on the distance between a prediction and its outcome: fixed, or linear in features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkd.errors import ConfigurationError
from fedkd.predict.medians import Medians
from fedkd.predict.regret import Learner, Regret

Floats = NDArray[np.float64]


class Descent(Learner):
    """Learns one vector x [n] in a box; U_t(x) = |x - y_t|_1, y_t [n] being the outcome.

        x_i <- clip(x_i - C_i/sqrt(N_i) sign(x_i - y_i)),   C_i = (high_i - low_i)/2,
    from the middle of the box, N_i being how often coordinate i was wrong. The paper's rate C/sqrt(T) needs the
    horizon T and gives a sum of regrets of C n sqrt(T). Without it: with d the distance to any fixed x,
        2 rate |error| <= d_t^2 - d_{t+1}^2 + rate^2,   d_1 <= C,  d_t <= 2 C,   rate_N = C/sqrt(N),
    summed over the N_i steps that move it, gives for the sum of regrets, whatever the outcomes (also outside the box),
        regret <= sum_i C_i (3 sqrt(N_i) - 2)^+ <= 3 C n sqrt(T).

    ``best`` is exact for 1,024 outcomes, afterwards exact or too low (`Medians`): regret is never understated.
    Memory: 16 KiB per coordinate, whatever the horizon.

    Args:
        low: of the box [n], finite.
        high: of the box [n], finite, > low.

    Raises:
        ConfigurationError: the bounds are not vectors of one length, not finite, or low is not below high.

    Example:
        >>> descent = Descent(np.array([-1.0]), np.array([1.0]))
        >>> descent.observe(np.array([0.5]))
        >>> descent.suggest()
        array([1.])
    """

    def __init__(self, low: Floats, high: Floats) -> None:
        self._low, self._high = np.array(low, np.float64), np.array(high, np.float64)
        if self._low.ndim != 1 or self._low.shape != self._high.shape or not self._low.size:
            raise ConfigurationError(
                f"Descent: low has shape {self._low.shape}, high {self._high.shape}; give two vectors of one length"
            )
        if not (np.isfinite(self._low) & np.isfinite(self._high) & (self._low < self._high)).all():
            raise ConfigurationError("Descent: the box is not finite, or low >= high somewhere; choose low < high")
        self._point = (self._low + self._high) / 2
        self._steps = np.zeros(len(self._low))
        self._medians = Medians(len(self._low))
        self._count, self._surrogate, self._cost, self._optimum = 0, 0.0, 0.0, 0.0

    @property
    def bound(self) -> float:
        """Of the sum of regrets, from the steps taken so far."""
        half = (self._high - self._low) / 2
        return float(half @ (3 * np.sqrt(self._steps) - 2).clip(0))

    def suggest(self) -> Floats:
        """The prediction [n]."""
        return self._point.copy()

    def observe(self, outcome: Floats, cost: float | None = None, optimum: float = 0.0) -> None:
        """Learn from what should have been predicted.

        Args:
            outcome: [n], finite.
            cost: what the algorithm paid; the surrogate where it is not given.
            optimum: the least that could have been paid, for the record.

        Raises:
            ConfigurationError: the outcome has another shape or is not finite.
        """
        outcome = checked("Descent", "outcome", outcome, len(self._point))
        error = self._point - outcome
        surrogate = float(np.abs(error).sum())
        self._count, self._surrogate = self._count + 1, self._surrogate + surrogate
        self._cost, self._optimum = self._cost + (surrogate if cost is None else cost), self._optimum + optimum
        self._medians.add(outcome)
        self._steps += error != 0
        rate = (self._high - self._low) / 2 / np.sqrt(np.maximum(self._steps, 1))
        self._point = (self._point - rate * np.sign(error)).clip(self._low, self._high)

    def regret(self) -> Regret:
        """Sums of |x_t - y_t|_1, beside the best fixed x of the box."""
        best = self._medians.least(self._low, self._high)
        return Regret(self._count, self._surrogate, best, self._cost, self._optimum)

    def keep(self) -> dict[str, Any]:
        """All that was learned, as numbers and arrays; the regret is of one sitting."""
        kept = {"low": self._low, "high": self._high, "point": self._point, "steps": self._steps}
        return {name: each.copy() for name, each in kept.items()}

    @staticmethod
    def resumed(kept: Mapping[str, Any]) -> Descent:
        """With all that was learned before."""
        found = Descent(kept["low"], kept["high"])
        found._point, found._steps = np.array(kept["point"], np.float64), np.array(kept["steps"], np.float64)
        return found


class LinearDescent(Learner):
    """Learns a matrix [f, n], x = features @ matrix; U_t(matrix) = |features_t @ matrix - y_t|_1.

        m_ij <- clip(m_ij - radius/sqrt(G_ij) g_ij),   g_ij = features_i sign(x_j - y_j),   G_ij = sum of g_ij^2,
    from zero, each entry kept in [-radius, radius]: a rate per entry, so that features need not be of one size. As for
    `Descent`, with sum of g^2/sqrt(G) <= 2 sqrt(G): whatever the outcomes, the sum of regrets against every matrix in
    the box is
        regret <= 3 radius sum_ij sqrt(G_ij) <= 3 radius n sum_i sqrt(sum_t features_ti^2).

    ``best`` is exact: n linear programmes over all outcomes, solved when ``regret`` is asked for (0.1 s at 1,000
    outcomes). Memory: 8 (f + n) bytes per outcome; it grows.

    Args:
        features: f >= 1, how many a prediction is made from. Give a constant 1 among them for an intercept.
        outcomes: n >= 1, how many numbers are predicted.
        radius: > 0, finite; largest size of an entry of the matrix.

    Raises:
        ConfigurationError: a number is out of its range.

    Example:
        >>> descent = LinearDescent(features=2, outcomes=1, radius=4.0)
        >>> descent.observe(np.array([1.0, 3.0]), np.array([5.0]))
        >>> descent.suggest(np.array([1.0, 3.0]))
        array([16.])
    """

    def __init__(self, features: int, outcomes: int = 1, radius: float = 1.0) -> None:
        if features < 1 or outcomes < 1:
            raise ConfigurationError(f"LinearDescent: features={features}, outcomes={outcomes}; choose both >= 1")
        if not 0 < radius < np.inf:
            raise ConfigurationError(f"LinearDescent: radius={radius} is not in (0, inf); choose radius > 0")
        self.matrix: Floats = np.zeros((features, outcomes))
        self.radius = float(radius)
        self._squares = np.zeros((features, outcomes))
        self._seen: list[tuple[Floats, Floats]] = []
        self._surrogate = self._cost = self._optimum = 0.0

    @property
    def bound(self) -> float:
        """Of the sum of regrets, from the gradients so far."""
        return float(3 * self.radius * np.sqrt(self._squares).sum())

    def suggest(self, features: Floats) -> Floats:
        """The prediction [n] from features [f]."""
        return checked("LinearDescent", "features", features, len(self.matrix)) @ self.matrix

    def observe(self, features: Floats, outcome: Floats, cost: float | None = None, optimum: float = 0.0) -> None:
        """Learn from what should have been predicted.

        Args:
            features: [f], finite.
            outcome: [n], finite.
            cost: what the algorithm paid; the surrogate where it is not given.
            optimum: the least that could have been paid, for the record.

        Raises:
            ConfigurationError: a vector has another shape or is not finite.
        """
        features = checked("LinearDescent", "features", features, len(self.matrix))
        outcome = checked("LinearDescent", "outcome", outcome, self.matrix.shape[1])
        error = features @ self.matrix - outcome
        surrogate = float(np.abs(error).sum())
        self._surrogate, self._optimum = self._surrogate + surrogate, self._optimum + optimum
        self._cost += surrogate if cost is None else cost
        self._seen.append((features, outcome))
        gradient = np.outer(features, np.sign(error))
        self._squares += gradient**2
        step = self.radius * gradient / np.sqrt(np.where(self._squares > 0, self._squares, 1))
        self.matrix = (self.matrix - step).clip(-self.radius, self.radius)

    def regret(self) -> Regret:
        """Sums of |x_t - y_t|_1, beside the best fixed matrix of the box."""
        return Regret(len(self._seen), self._surrogate, self._best(), self._cost, self._optimum)

    def keep(self) -> dict[str, Any]:
        """All that was learned, as numbers and arrays; the regret is of one sitting."""
        return {"matrix": self.matrix.copy(), "radius": self.radius, "squares": self._squares.copy()}

    @staticmethod
    def resumed(kept: Mapping[str, Any]) -> LinearDescent:
        """With all that was learned before."""
        features, outcomes = kept["matrix"].shape
        found = LinearDescent(features, outcomes, kept["radius"])
        found.matrix, found._squares = np.array(kept["matrix"], np.float64), np.array(kept["squares"], np.float64)
        return found

    def _best(self) -> float:
        """Per outcome j: least sum of (over + under) with features @ m - over + under = y_j, over, under >= 0."""
        # Asked for rarely; whoever only predicts need not load a solver.
        from scipy.optimize import linprog
        from scipy.sparse import csr_array, eye_array, hstack

        if not self._seen:
            return 0.0
        features, outcomes = (np.array(each) for each in zip(*self._seen, strict=True))
        count, width = features.shape
        equal = hstack([csr_array(features), -eye_array(count), eye_array(count)], format="csr")
        price = np.concatenate([np.zeros(width), np.ones(2 * count)])
        box = [(-self.radius, self.radius)] * width + [(0, None)] * (2 * count)
        return float(sum(linprog(price, A_eq=equal, b_eq=outcome, bounds=box).fun for outcome in outcomes.T))


def checked(who: str, what: str, vector: Floats, dim: int) -> Floats:
    """The vector as floats [dim].

    Raises:
        ConfigurationError: it has another shape or is not finite.
    """
    vector = np.array(vector, np.float64)
    if vector.shape != (dim,) or not np.isfinite(vector).all():
        given = f"shape {vector.shape}" if vector.shape != (dim,) else "numbers that are not finite"
        raise ConfigurationError(f"{who}: {what} of {given}; give {dim} finite numbers")
    return vector
