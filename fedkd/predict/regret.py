"""What learned predictions cost, beside what was possible."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True)
class Regret:
    """Sums over the predictions that were followed by an outcome; t counts them.

    A surrogate U_t(x) bounds what an algorithm pays on instance t when it is given the prediction x, and is what is
    learned on: average cost <= min_x average U_t(x) + regret.

    Args:
        count: T, predictions.
        surrogate: sum of U_t(x_t), of the predictions that were made.
        best: min_x sum of U_t(x): the same of the best fixed prediction in hindsight.
        cost: what the algorithm paid with these predictions.
        optimum: what it would have paid had it known every outcome.
    """

    count: int = 0
    surrogate: float = 0.0
    best: float = 0.0
    cost: float = 0.0
    optimum: float = 0.0

    @property
    def regret(self) -> float:
        """(surrogate - best)/count, in the surrogate's unit; negative where learning beats every fixed prediction."""
        return (self.surrogate - self.best) / max(self.count, 1)


class Learner(ABC):
    """Learns predictions online: ``suggest`` one, run the algorithm with it, ``observe`` the outcome.

    What the two take depends on what is known beforehand (features, a client's number) and on what an outcome is, so
    each learner declares them; all of them log what they cost.
    """

    @abstractmethod
    def regret(self) -> Regret:
        """What the predictions cost so far."""
