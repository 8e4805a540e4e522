"""What learned predictions cost, beside what was possible."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass


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

    @staticmethod
    def of(numbers: Sequence[float]) -> Regret:
        """From what ``astuple`` gives, the count first."""
        count, *sums = numbers
        return Regret(int(count), *sums)

    @staticmethod
    def joined(regrets: Iterable[Regret]) -> Regret | None:
        """Of several learners, each beside the best fixed prediction of its own; None where there is no learner.

        Example:
            >>> Regret.joined([Regret(1, 2.0, 1.0), Regret(2, 5.0, 3.0)])
            Regret(count=3, surrogate=7.0, best=4.0, cost=0.0, optimum=0.0)
        """
        rows = [astuple(regret) for regret in regrets]
        return Regret.of([sum(column) for column in zip(*rows, strict=True)]) if rows else None

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
