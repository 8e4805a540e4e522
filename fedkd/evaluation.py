"""When the server's model is evaluated, on samples that no client trains on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Evaluation:
    """Every few rounds, and after the last.

    Args:
        names: of the numbers that clients report, in their order.
        every: rounds between two evaluations.
        rounds: the last round.
    """

    names: Sequence[str]
    every: int
    rounds: int

    def due(self, round_: int) -> bool:
        """Whether the model after ``round_`` rounds is evaluated."""
        return round_ % self.every == 0 or round_ == self.rounds
