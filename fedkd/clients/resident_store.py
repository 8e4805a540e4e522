"""Copies of states where they are used, for as long as it pays: in a GPU's memory, or in memory instead of files.

Keeping a state is renting: a round costs 1. Dropping it is buying: loading it again costs the price. A client that was
trained in round r and is trained again in round r + g has cost min(g, tau) + price [g > tau], where tau is for how many
rounds states are kept; tau is learned from the g that clients show. A client that another worker has trained meanwhile
shows that keeping its state was of no use: g counts as infinite.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fedkd.clients.store import ClientState
from fedkd.clients.stores import Store
from fedkd.predict import Regret, Threshold

if TYPE_CHECKING:
    from torch import Tensor

SAMPLE = 4
"""Clients a round from which is learned: an observation takes as long as loading half a megabyte."""

NEVER = 1e9
"""Rounds until a copy serves that is not the newest state any more."""


class Kept(NamedTuple):
    """A state that is here, and the round that made it."""

    round: int
    state: ClientState
    size: int


class ResidentStore(Store):
    """Keeps copies of some of another store's states; that store has all of them, always, so nothing is lost here.

    A copy counts only while the other store's newest state is of the same round: another worker may have trained the
    client meanwhile.

    Args:
        store: that has all states.
        threshold: learns for how many rounds to keep copies.
        most: bytes of copies, at most; the oldest go first.

    Attributes:
        hits: states that were here when they were asked for.
        misses: states that were not, but in the other store.
        size: bytes of the copies.
    """

    def __init__(self, store: Store, threshold: Threshold, most: int) -> None:
        self._store, self._threshold, self._most = store, threshold, most
        self._kept: dict[int, Kept] = {}
        self._used: dict[int, int] = {}
        self._draws = np.random.default_rng(0)
        self._round, self._sampled = -1, 0
        self.hits = self.misses = self.size = 0

    def before(self, client: int, round_: int) -> ClientState:
        """The newest state from a round before ``round_``; an empty one if there is none."""
        self._begin(round_)
        newest, kept = self._store.newest(client, round_), self._kept.get(client)
        self._learn(client, round_, newest)
        if kept is not None and kept.round == newest:
            self.hits += 1
            return kept.state
        self.misses += newest >= 0
        return self._store.before(client, round_)

    def newest(self, client: int, round_: int) -> int:
        """The other store's."""
        return self._store.newest(client, round_)

    def put(self, client: int, round_: int, state: ClientState) -> None:
        """Into the other store, and a copy here."""
        self._store.put(client, round_, state)
        self._drop(client)
        vectors = [None if vector is None else _alone(vector) for vector in state.vectors]
        size = sum(vector.nbytes for vector in vectors if vector is not None)
        uplink, downlink, task = vectors
        self._kept[client] = Kept(round_, replace(state, uplink=uplink, downlink=downlink, task=task), size)
        self._used[client] = round_
        self.size += size
        while self.size > self._most:
            self._drop(next(iter(self._kept)))

    def undo(self, client: int, round_: int) -> None:
        """In both."""
        self._drop(client)
        self._store.undo(client, round_)

    def give(self, client: int) -> Mapping[int, ClientState]:
        """What the other store gives."""
        self._drop(client)
        return self._store.give(client)

    def adopt(self, client: int, states: Mapping[int, ClientState]) -> None:
        """Into the other store."""
        self._drop(client)
        self._store.adopt(client, states)

    def commit(self, rounds: Collection[int], undone: Mapping[int, int]) -> None:
        """Of the other store; copies of what did not count are dropped."""
        for client in undone:
            self._drop(client)
        self._store.commit(rounds, undone)

    def carried(self, round_: int) -> Iterator[tuple[int, ClientState]]:
        """The other store's."""
        return self._store.carried(round_)

    def learned(self) -> Regret:
        """What keeping and loading cost, in rounds of keeping, beside the best fixed time to keep."""
        return self._threshold.regret()

    def close(self) -> None:
        """Drop all copies, and close the other store."""
        self._kept.clear()
        self.size = 0
        self._store.close()

    def _begin(self, round_: int) -> None:
        """At a new round, drop what has been kept for long enough; copies lie in the order of their rounds."""
        if round_ == self._round:
            return
        self._round, self._sampled = round_, 0
        keep = self._threshold.suggest(self._draws.random())
        while self._kept and round_ - next(iter(self._kept.values())).round > keep:
            self._drop(next(iter(self._kept)))

    def _learn(self, client: int, round_: int, newest: int) -> None:
        """A copy serves when the client comes back; never, if another worker has trained it meanwhile."""
        before = self._used.get(client)
        if before is not None and before < round_ and self._sampled < SAMPLE:
            self._sampled += 1
            served = float(round_ - before) if newest == before else NEVER
            self._threshold.observe(np.array([served]))

    def _drop(self, client: int) -> None:
        kept = self._kept.pop(client, None)
        if kept is not None:
            self.size -= kept.size


def _alone(vector: Tensor) -> Tensor:
    """The vector with memory of its own: a row of a group's would keep the whole group's."""
    return vector if vector.untyped_storage().nbytes() == vector.nbytes else vector.clone()
