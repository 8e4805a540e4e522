"""How ranks tell each other what their particles found: for each a seed, and a pair of losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Found = np.ndarray[Any, np.dtype[np.void]]

FOUND = np.dtype([("seed", np.uint64), ("begins", np.bool_), ("above", np.float64), ("below", np.float64)])
"""Of a particle: the stream of its eps, whether a task began with it, L+ and L-."""


class Exchange(Protocol):
    """Several processes, each with its own groups of particles."""

    @property
    def rank(self) -> int:
        """This process's number."""

    @property
    def size(self) -> int:
        """How many there are."""

    def gathered(self, data: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """The bytes of every rank, in their order; a collective call."""

    def meet(self) -> None:
        """Wait until all ranks have come here."""


class Alone:
    """One process."""

    rank, size = 0, 1

    def gathered(self, data: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """Its own."""
        return [data]

    def meet(self) -> None:
        """Nobody else comes."""


def told(exchange: Exchange, found: Found) -> list[Found]:
    """What every rank found, in their order; a collective call."""
    return [data.view(FOUND) for data in exchange.gathered(found.view(np.uint8))]
