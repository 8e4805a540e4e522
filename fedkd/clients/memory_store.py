"""Client states in this process's memory; a checkpoint carries them."""

from __future__ import annotations

from collections.abc import Iterator

from fedkd.clients.store import ClientState
from fedkd.clients.stores import Store, needed


class MemoryStore(Store):
    """States are kept as they are, not copied: a tensor that was put must not be written afterwards.

    A client has one state after a commit, and at most three at any time.
    """

    def __init__(self) -> None:
        self._states: dict[int, dict[int, ClientState]] = {}
        self._committed = 0
        self._touched: set[int] = set()

    def before(self, client: int, round_: int) -> ClientState:
        """The newest state from a round before ``round_``; an empty one if there is none."""
        states = self._states.get(client, {})
        newest = max((known for known in states if known < round_), default=None)
        return ClientState() if newest is None else states[newest]

    def put(self, client: int, round_: int, state: ClientState) -> None:
        """Keep the state after ``round_``."""
        states = self._states.get(client, {})
        kept = needed(states, self._committed, round_)
        self._states[client] = {known: states[known] for known in states if known in kept} | {round_: state}
        self._touched.add(client)

    def commit(self, round_: int) -> None:
        """Drop what neither the checkpoint nor a round from ``round_`` on can ask for."""
        for client in self._touched:
            states = self._states[client]
            kept = needed(states, round_, round_)
            self._states[client] = {known: states[known] for known in states if known in kept}
        self._touched.clear()
        self._committed = round_

    def carried(self, round_: int) -> Iterator[tuple[int, ClientState]]:
        """Clients and their states before ``round_``, by client number, for a checkpoint."""
        for client in sorted(self._states):
            if any(known < round_ for known in self._states[client]):
                yield client, self.before(client, round_)

    def close(self) -> None:
        """Forget everything."""
        self._states.clear()
        self._touched.clear()
