"""Deadlines: how long the server waits for a round's replies, in virtual seconds."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedkd.data.bounds import positive
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Seconds = NDArray[np.float64]

Learned = Mapping[str, Any]
"""What a deadline has learned from earlier rounds, as a checkpoint can write it: numbers, arrays, tuples, mappings."""


class Deadline(ABC):
    """When the server goes on without those who are not there: a rule, and what it learns is a value."""

    @property
    def waits(self) -> bool:
        """Whether the server waits for everyone, whoever comes when: nobody is ever late."""
        return False

    @abstractmethod
    def limit(self, arrivals: Seconds, learned: Learned, seed: int, round_: int) -> float:
        """Virtual seconds since the round's start, >= 0; infinity where the server waits for everyone.

        A rule that knows the time only, as a server does, may use an arrival only when it has passed: the limit must be
        the same whatever comes after it.

        Args:
            arrivals: ascending, of the round's replies [K], K >= 1.
            learned: from the rounds before.
            seed: of the run; what is drawn is a function of it and of the round.
            round_: counted from 0.
        """

    def learn(self, arrivals: Seconds, learned: Learned) -> Learned:
        """What is known after a round, also of those who were late.

        Args:
            arrivals: ascending, of the round's replies [K], K >= 1.
            learned: from the rounds before.
        """
        return {}


@dataclass(frozen=True)
class NoDeadline(Deadline):
    """The server waits for everyone."""

    @property
    def waits(self) -> bool:
        """It does."""
        return True

    def limit(self, arrivals: Seconds, learned: Learned, seed: int, round_: int) -> float:
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

    def limit(self, arrivals: Seconds, learned: Learned, seed: int, round_: int) -> float:
        """The seconds."""
        return self.seconds


@dataclass(frozen=True)
class Quantile(Deadline):
    """The server goes on once ceil(q K) of the round's K replies are there; at the same moment all of that moment are.

    Args:
        q: in (0, 1]; at 1 the server waits for everyone.
    """

    q: float

    def __post_init__(self) -> None:
        if not 0 < self.q <= 1:
            raise ConfigurationError(f"Quantile: q={self.q} is outside (0, 1]; choose one in it")

    @property
    def waits(self) -> bool:
        """At q = 1."""
        return self.q == 1

    def limit(self, arrivals: Seconds, learned: Learned, seed: int, round_: int) -> float:
        """The ceil(q K)-th arrival."""
        return there(arrivals, self.q)


def there(arrivals: Seconds, share: float) -> float:
    """When ceil(share K), and at least one, of K >= 1 ascending arrivals are there.

    Example:
        >>> there(np.array([1.0, 2.0, 7.0]), 0.5)
        2.0
    """
    # 0.07 x 100 is a little more than 7 in binary; nobody means that by 7 %.
    enough = max(math.ceil(round(share * len(arrivals), 9)), 1)
    return float(arrivals[enough - 1])
