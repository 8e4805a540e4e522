"""Requests for a page, learned over instances: exponentiated gradient on the worst window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fedkd.errors import ConfigurationError
from fedkd.predict.exponentiated import ExponentiatedGradient
from fedkd.predict.page_migration import Floats, Points, windows
from fedkd.predict.regret import Learner, Regret


class Requests(Learner):
    """Predicts a distribution p_t [n] for each request t = 1..T of an instance; instances come one after another.

    U(p) = largest mean of 1 - p_t[s_t] in a window (``windows``), which ``plan``'s bound is made of. It is convex; its
    gradient is -1/|W| at s_t for each t of the worst window W and 0 elsewhere. Each t has an `ExponentiatedGradient`.

    Regret. Convexity gives at most the sum over t of their regrets, 1.061 sqrt(N_t ln n)/w + 1.5/w, where w is the
    length of the shortest window, w + 1 at most that of the longest, and N_t how often t was in the worst one. After N
    instances sum N_t <= (w + 1) N, so (Cauchy-Schwarz)
        regret <= 1.061 sqrt(N T (w + 1) ln n)/w + 1.5 T/w,   about sqrt(N ln n (number of windows)).

    Args:
        points: n >= 1.
        steps: T >= 1, requests of an instance.
        window: >= 1, in requests; gamma D of the paper.

    Raises:
        ConfigurationError: a number is out of its range.

    Example:
        >>> requests = Requests(points=2, steps=3, window=3)
        >>> requests.observe(np.array([1, 1, 0]))
        >>> requests.suggest().argmax(1)
        array([1, 1, 0])
    """

    def __init__(self, points: int, steps: int, window: int) -> None:
        for name, value in (("steps", steps), ("window", window)):
            if value < 1:
                raise ConfigurationError(f"Requests: {name}={value}; choose {name} >= 1")
        self._each = [ExponentiatedGradient(points) for _ in range(steps)]
        self._points, self._window = points, window
        self._windows = windows(steps, window)
        self._count, self._surrogate, self._cost, self._optimum = 0, 0.0, 0.0, 0.0

    @property
    def bound(self) -> float:
        """Of the sum of regrets, from the gradients so far."""
        return sum(each.bound for each in self._each)

    def suggest(self) -> Floats:
        """The predictions [T, n]."""
        return np.array([each.suggest() for each in self._each])

    def observe(self, requests: Points, cost: float | None = None, optimum: float = 0.0) -> None:
        """Learn from an instance.

        Args:
            requests: [T] points.
            cost: what serving them cost; the surrogate where it is not given.
            optimum: OPT, for the record.

        Raises:
            ConfigurationError: there are not T requests, or one is no point.
        """
        requests = np.asarray(requests)
        if requests.shape != (len(self._each),) or not ((requests >= 0) & (requests < self._points)).all():
            raise ConfigurationError(
                f"Requests: {requests.shape} requests; give {len(self._each)}, each in [0, {self._points})"
            )
        missed = np.array([1 - each.suggest()[at] for each, at in zip(self._each, requests, strict=True)])
        means = [float(missed[part].mean()) for part in self._windows]
        worst = self._windows[int(np.argmax(means))]
        for each, at in zip(self._each[worst], requests[worst], strict=True):
            gradient = np.zeros(self._points)
            gradient[at] = -1 / (worst.stop - worst.start)
            each.observe(gradient)
        self._count, self._surrogate = self._count + 1, self._surrogate + max(means)
        self._cost, self._optimum = self._cost + (max(means) if cost is None else cost), self._optimum + optimum

    def regret(self) -> Regret:
        """Sums of U, beside what the gradients say of the best fixed p: at most the true one."""
        linear = [each.regret() for each in self._each]
        best = self._surrogate - sum(each.surrogate - each.best for each in linear)
        return Regret(self._count, self._surrogate, best, self._cost, self._optimum)

    def keep(self) -> dict[str, Any]:
        """All that was learned, the regret too, as numbers and arrays."""
        return {
            "shape": (self._points, self._window),
            "each": [each.keep() for each in self._each],
            "log": (self._count, self._surrogate, self._cost, self._optimum),
        }

    @staticmethod
    def resumed(kept: Mapping[str, Any]) -> Requests:
        """With all that was learned before."""
        points, window = kept["shape"]
        found = Requests(points, len(kept["each"]), window)
        found._each = [ExponentiatedGradient.resumed(each) for each in kept["each"]]
        found._count, found._surrogate, found._cost, found._optimum = kept["log"]
        return found
