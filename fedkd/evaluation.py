"""The quality of the server's model on samples that no client trains on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.data import Split
    from fedkd.tasks.learner import Learner


@dataclass(frozen=True)
class Evaluator:
    """Evaluates every few rounds, and after the last.

    Args:
        names: of the numbers that clients report, in their order.
        every: rounds between two evaluations.
        rounds: the last round.
    """

    learner: Learner
    test: Split
    names: Sequence[str]
    every: int
    rounds: int

    def evaluate(self, round_: int, model: Tensor) -> dict[str, float]:
        """Metrics of model [d] after ``round_`` rounds; empty when it is not the turn of this round."""
        if round_ % self.every and round_ != self.rounds:
            return {}
        return self.learner.evaluate(model, self.test)
