"""Rules of ski rental: rent at 1 a day or buy at b, for how many days nobody knows."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedkd.errors import ConfigurationError

Floats = NDArray[np.float64]


class Rule(ABC):
    """When to buy, given how many days are predicted. Who buys on day i rents the i - 1 days before."""

    price: float

    @abstractmethod
    def day(self, predicted: float, uniform: float) -> int:
        """The day to buy on, >= 1; uniform in [0, 1) decides where the rule is randomised."""

    @abstractmethod
    def cost(self, predicted: float, days: int) -> float:
        """What is paid, in expectation over uniform, when it was days >= 1; the optimum is min(days, price)."""

    @property
    @abstractmethod
    def robust(self) -> float:
        """Bound of cost/optimum whatever is predicted."""

    @property
    @abstractmethod
    def consistent(self) -> float:
        """Bound of cost/optimum when predicted = days."""


@dataclass(frozen=True)
class Deterministic(Rule):
    """Buys on day ceil(trust b) if predicted >= b, else on day ceil(b/trust).

    (1 + 1/trust)-robust and (1 + trust)-consistent as the paper has it; neither ceiling spoils it, since only the days
    before are rented and ceil(z) - 1 < z. Both hold for every real price >= 1.

    Args:
        price: b >= 1, finite, in days of rent.
        trust: lambda in (0, 1]; the less, the more a prediction counts.

    Raises:
        ConfigurationError: a number is out of its range.

    Example:
        >>> Deterministic(price=10, trust=0.25).day(predicted=12.0, uniform=0.0)
        3
    """

    price: float
    trust: float

    def __post_init__(self) -> None:
        if not 1 <= self.price < math.inf:
            raise ConfigurationError(f"Deterministic: price={self.price} is not in [1, inf); choose price >= 1")
        if not 0 < self.trust <= 1:
            raise ConfigurationError(f"Deterministic: trust={self.trust} is not in (0, 1]; choose 0 < trust <= 1")

    def day(self, predicted: float, uniform: float = 0.0) -> int:
        """The day to buy on."""
        return math.ceil(self.trust * self.price if predicted >= self.price else self.price / self.trust)

    def cost(self, predicted: float, days: int) -> float:
        """What is paid."""
        day = self.day(predicted)
        return day - 1 + self.price if days >= day else float(days)

    @property
    def robust(self) -> float:
        """1 + 1/trust."""
        return 1 + 1 / self.trust

    @property
    def consistent(self) -> float:
        """1 + trust."""
        return 1 + self.trust


@dataclass(frozen=True)
class Randomised(Rule):
    """Buys on day i of 1..k with chance q_i (Purohit, Svitkina and Kumar, 2018).

        q_i = r^(k-i)/(b (1 - r^k)),  r = 1 - 1/b,   k = floor(trust b) if predicted >= b, else ceil(b/trust).
    These chances make the expected cost grow evenly, so that with s = 1/(1 - r^k)
        cost(days) = s min(days, k)   exactly.
    Hence (1 + 1/b)/(1 - e^(-(trust - 1/b)))-robust and trust/(1 - e^(-trust))-consistent, as the paper has it, for
    integers b and 1/b < trust < 1.

    Args:
        price: b >= 2, an integer, in days of rent.
        trust: lambda in (1/price, 1).

    Raises:
        ConfigurationError: a number is out of its range.

    Example:
        >>> Randomised(price=2, trust=0.75).chances(predicted=1.0).round(3)
        array([0.143, 0.286, 0.571])
    """

    price: int
    trust: float

    def __post_init__(self) -> None:
        if not 2 <= self.price < math.inf or self.price != int(self.price):
            raise ConfigurationError(f"Randomised: price={self.price}; choose an integer price >= 2")
        if not 1 / self.price < self.trust < 1:
            raise ConfigurationError(
                f"Randomised: trust={self.trust} is not in (1/price, 1); choose {1 / self.price:g} < trust < 1"
            )

    def chances(self, predicted: float) -> Floats:
        """Q [k], of days 1 to k; sums to 1."""
        last = self._last(predicted)
        powers = (1 - 1 / self.price) ** np.arange(last - 1.0, -1.0, -1.0)
        return np.asarray(powers / powers.sum(), np.float64)

    def day(self, predicted: float, uniform: float) -> int:
        """The day at which the cumulative chance passes uniform."""
        passed = np.cumsum(self.chances(predicted))
        return 1 + min(int(np.searchsorted(passed, uniform, side="right")), len(passed) - 1)

    def cost(self, predicted: float, days: int) -> float:
        """What is paid in expectation."""
        last = self._last(predicted)
        return min(days, last) / -math.expm1(last * math.log1p(-1 / self.price))

    @property
    def robust(self) -> float:
        """(1 + 1/b)/(1 - e^(-(trust - 1/b)))."""
        return (1 + 1 / self.price) / -math.expm1(1 / self.price - self.trust)

    @property
    def consistent(self) -> float:
        """trust/(1 - e^(-trust))."""
        return self.trust / -math.expm1(-self.trust)

    def _last(self, predicted: float) -> int:
        if predicted >= self.price:
            return max(1, math.floor(self.trust * self.price))
        return math.ceil(self.price / self.trust)
