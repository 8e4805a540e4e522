"""Deadlines: how long the server waits for a round's replies, in virtual seconds."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from fedkd.data.bounds import positive


class Deadline(ABC):
    """When the server goes on without those who are not there; known before the round begins."""

    @abstractmethod
    def of(self, round_: int) -> float:
        """Virtual seconds since the round's start, > 0; infinity where the server waits for everyone."""


@dataclass(frozen=True)
class NoDeadline(Deadline):
    """The server waits for everyone."""

    def of(self, round_: int) -> float:
        """Infinity."""
        return math.inf


@dataclass(frozen=True)
class After(Deadline):
    """The same deadline in every round.

    Args:
        seconds: virtual, since the round's start, > 0.
    """

    seconds: float

    def __post_init__(self) -> None:
        positive(self, "seconds")

    def of(self, round_: int) -> float:
        """The seconds."""
        return self.seconds
