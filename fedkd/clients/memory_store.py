"""Client states in this process's memory; a checkpoint carries them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from fedkd.clients.store import ClientState
from fedkd.clients.stores import Store, needed


class MemoryStore(Store):
    """States in the host's memory are kept as they are: a tensor that was put must not be written afterwards.

    A client has as many states as there are checkpoints, after a commit, and at most two more at any time.
    """

    def __init__(self) -> None:
        self._states: dict[int, dict[int, ClientState]] = {}
        self._committed: Collection[int] = ()
        self._touched: set[int] = set()

    def before(self, client: int, round_: int) -> ClientState:
        """The newest state from a round before ``round_``; an empty one if there is none."""
        newest = self.newest(client, round_)
        return ClientState() if newest < 0 else self._states[client][newest]

    def newest(self, client: int, round_: int) -> int:
        """The round that made what ``before`` gives; -1 where that is empty."""
        return max((known for known in self._states.get(client, {}) if known < round_), default=-1)

    def put(self, client: int, round_: int, state: ClientState) -> None:
        """Keep the state after ``round_``."""
        states = self._states.get(client, {})
        kept = needed(states, self._committed, round_)
        self._states[client] = {known: states[known] for known in states if known in kept} | {round_: state.on_host()}
        self._touched.add(client)

    def undo(self, client: int, round_: int) -> None:
        """Forget the states after ``round_`` and later rounds."""
        if client in self._states:
            states = self._states[client]
            self._states[client] = {known: states[known] for known in states if known < round_}

    def give(self, client: int) -> Mapping[int, ClientState]:
        """All states of a client; they are forgotten here."""
        self._touched.discard(client)
        return self._states.pop(client, {})

    def adopt(self, client: int, states: Mapping[int, ClientState]) -> None:
        """Take what another store gave."""
        self._states[client] = dict(states)
        self._touched.add(client)

    def commit(self, rounds: Collection[int], undone: Mapping[int, int]) -> None:
        """Drop what neither a checkpoint nor a later round can ask for."""
        for client, round_ in undone.items():
            self.undo(client, round_)
        for client in self._touched:
            states = self._states[client]
            kept = needed(states, rounds, max(rounds, default=0))
            self._states[client] = {known: states[known] for known in states if known in kept}
        self._touched.clear()
        self._committed = rounds

    def carried(self, round_: int) -> Iterator[tuple[int, ClientState]]:
        """Clients and their states before ``round_``, by client number, for a checkpoint."""
        for client in sorted(self._states):
            if any(known < round_ for known in self._states[client]):
                yield client, self.before(client, round_)

    def close(self) -> None:
        """Forget everything."""
        self._states.clear()
        self._touched.clear()
