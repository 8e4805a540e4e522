"""Schedules: values that come, over the first rounds, to where a configuration wants them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from fedkd.errors import ConfigurationError
from fedkd.tasks.checks import require_at_least

Shape = Literal["constant", "linear", "cosine"]


@dataclass(frozen=True)
class Schedule:
    """From ``first`` in round 0 to the configured value in round ``rounds``, and the value itself from there on.

    With t = round / rounds < 1 a value v that a configuration sets is

        constant    first                                               (a value that is switched on)
        linear      first + t (v - first)
        cosine      first + (1 - cos(pi t)) / 2 (v - first)             (slow at both ends)

    Args:
        shape: Which of these.
        first: The value in round 0.
        rounds: The first round with the configured value, >= 1; rounds are counted from 0.

    Example:
        >>> [Schedule("linear", 0.0, 4).at(round_, 0.8) for round_ in (0, 1, 4, 9)]
        [0.0, 0.2, 0.8, 0.8]
    """

    shape: Shape
    first: float
    rounds: int

    def __post_init__(self) -> None:
        require_at_least("Schedule", "rounds", self.rounds, 1)

    def at(self, round_: int, value: float) -> float:
        """What stands for a configured value in a round: a pure function of both."""
        if round_ >= self.rounds:
            return value
        return self.first + self._gone(round_ / self.rounds) * (value - self.first)

    def _gone(self, time: float) -> float:
        """The part of the way, in [0, 1), that is behind."""
        if self.shape == "constant":
            return 0.0
        return time if self.shape == "linear" else (1 - math.cos(math.pi * time)) / 2


def values_at(owner: object, schedules: Mapping[str, Schedule], round_: int) -> dict[str, Any]:
    """The numbers of an owner that have a schedule, as they are in a round; what it does not have is left out."""
    return {
        name: schedule.at(round_, getattr(owner, name)) for name, schedule in schedules.items() if hasattr(owner, name)
    }


def require_scheduled(owner: str, schedules: Mapping[str, Schedule], names: Sequence[str]) -> None:
    """Refuse a schedule of what is no number of the owner's."""
    for name in schedules:
        if name not in names:
            raise ConfigurationError(f"{owner}: schedules.{name} is unknown; choose among {', '.join(names)}")


class _Scheduled(Protocol):
    def at(self, round_: int) -> object: ...


def require_first(task: _Scheduled) -> None:
    """Refuse first values that the task itself could not have."""
    try:
        task.at(0)
    except ConfigurationError as error:
        raise ConfigurationError(f"first value of a schedule: {error}") from None
