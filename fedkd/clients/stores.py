"""Where client states are kept, and for which rounds.

A round may be begun twice: a worker dies in the middle of it and its clients are run again, or the whole job is
resumed from a checkpoint. So a state has the round that made it, and a store answers at any time: what was the state
before the round that runs, and what was it before the round of each checkpoint that is kept.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from fedkd.predict import Regret

if TYPE_CHECKING:
    from fedkd.clients.store import ClientState


class Store(ABC):
    """Client states by client number and round; a client that was never trained takes no space.

    A client's rounds are put in order. Of a client can be read: the state before each committed round, and that before
    the round that was put last, or before any later one.

    Example:
        >>> store.put(7, 0, first)
        >>> store.put(7, 3, second)
        >>> store.before(7, 3) == first and store.before(7, 4) == second
        True
    """

    @abstractmethod
    def before(self, client: int, round_: int) -> ClientState:
        """The newest state from a round before ``round_``; an empty one if there is none."""

    @abstractmethod
    def newest(self, client: int, round_: int) -> int:
        """The round that made what ``before`` gives; -1 where that is empty."""

    @abstractmethod
    def put(self, client: int, round_: int, state: ClientState) -> None:
        """Keep the state after ``round_``; what was put for this round or later ones is forgotten.

        Raises:
            ValueError: the round is committed.
        """

    @abstractmethod
    def undo(self, client: int, round_: int) -> None:
        """Forget the states after ``round_`` and later rounds, which did not count: the one before it is the newest."""

    @abstractmethod
    def give(self, client: int) -> Mapping[int, ClientState]:
        """All states of a client that moves to another store, by round: this one is not asked for it any more."""

    @abstractmethod
    def adopt(self, client: int, states: Mapping[int, ClientState]) -> None:
        """Take what another store gave, in place of all that was known of the client here."""

    @abstractmethod
    def commit(self, rounds: Collection[int], undone: Mapping[int, int]) -> None:
        """Make states durable: those before each of these rounds stay readable until the next commit.

        Called between two rounds, before the checkpoint is written, and first of all in a process that goes on from
        one. The next ``put`` must wait until it is written: it may overwrite what only an older checkpoint needs.

        Args:
            rounds: of the checkpoints that are kept; the last of them is about to be written.
            undone: clients that have not heard yet that their last update did not count, and the round from which
                states are to be forgotten.
        """

    @abstractmethod
    def carried(self, round_: int) -> Iterator[tuple[int, ClientState]]:
        """Clients and their states before ``round_`` that a checkpoint must carry, since nothing else keeps them."""

    def learned(self) -> Regret | None:
        """What learned predictions of which states are asked for have cost; None where none are made."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Give back files and memory; what was not committed may be lost."""


def needed(rounds: Iterable[int], committed: Collection[int], round_: int) -> set[int]:
    """The rounds whose states must outlive a put for ``round_``: at most one for each commit, and one; -1 for none.

    Raises:
        ValueError: the round is committed.

    Example:
        >>> needed([2, 5, 6], committed=[4], round_=6) == {2, 5}
        True
    """
    last = max(committed, default=0)
    if round_ < last:
        raise ValueError(f"round {round_} is before the committed round {last}; its states are final")
    known = tuple(rounds)
    bounds = (*committed, round_)
    return {max((known_round for known_round in known if known_round < bound), default=-1) for bound in bounds}
