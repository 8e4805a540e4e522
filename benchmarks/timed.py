"""Rows of a benchmark that take turns, round by round: a ratio holds on a machine whose speed drifts."""

from __future__ import annotations

import statistics
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

WARM_UP = 2
"""Rounds that do not count."""

Line = dict[str, float | str]


class Spent(NamedTuple):
    """Where the seconds of a round went.

    Args:
        clients: their own seconds, on the busiest worker.
        server: the server's own work.
    """

    wall: float
    clients: float
    server: float

    @property
    def rest(self) -> float:
        """Communication and scheduling, as a share of the round."""
        return (self.wall - self.clients - self.server) / self.wall


class Timed(ABC):
    """One row: every step is a round."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.spent: list[Spent] = []

    @abstractmethod
    def step(self) -> None:
        """Time one round."""

    @abstractmethod
    def digest(self) -> str:
        """The sha256 of the model after the last round; empty for a row that has none."""

    @abstractmethod
    def close(self) -> None:
        """Let the workers go."""


def measure(rows: Sequence[Timed], rounds: int, reference: int) -> list[Line]:
    """Medians over rounds; ratios are medians of the ratios to the reference's wall, round by round."""
    for _ in range(WARM_UP + rounds):
        for row in rows:
            row.step()
    digests = {digest for row in rows if (digest := row.digest())}
    assert len(digests) <= 1, f"{[row.name for row in rows]} end with {len(digests)} models"
    for row in rows:
        row.close()
    beside = [spent.wall for spent in rows[reference].spent[WARM_UP:]]
    return [_line(row, beside) for row in rows]


def _line(row: Timed, beside: Sequence[float]) -> Line:
    kept = row.spent[WARM_UP:]
    columns: dict[str, Callable[[Spent], float]] = {
        "seconds": lambda spent: spent.wall,
        "clients": lambda spent: spent.clients,
        "server": lambda spent: spent.server,
        "rest": lambda spent: spent.rest,
    }
    medians = {name: statistics.median(map(column, kept)) for name, column in columns.items()}
    ratio = statistics.median(spent.wall / other for spent, other in zip(kept, beside, strict=True))
    return {"row": row.name, "ratio": ratio, **medians}
