"""Where a ServerApp hands its Grid to the executor that the configuration chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flwr.serverapp import Grid


@dataclass(frozen=True)
class Seated:
    """A ServerApp that runs now, in this thread.

    Args:
        grid: through which it reaches the nodes.
        interrupted: whether the user has asked the run to end; it is asked again and again while replies are awaited.
        simulated: whether the nodes are actors of this process's own simulation.
    """

    grid: Grid
    interrupted: Callable[[], bool]
    simulated: bool


seat: ContextVar[Seated | None] = ContextVar("seat", default=None)
"""Empty outside a ServerApp. Other threads do not see what one of them sets."""


@contextmanager
def seated(where: Seated) -> Iterator[None]:
    """Let the executor that is started meanwhile find the Grid."""
    token = seat.set(where)
    try:
        yield
    finally:
        seat.reset(token)
