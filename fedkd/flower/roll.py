"""The roll: which node is which client. A new node says so itself, once, and makes itself ready for the run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from flwr.app import Message, MessageType, RecordDict
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid

from fedkd.executors.placement import Seat
from fedkd.flower import envelope

PASSING = {
    ErrorCode.NODE_UNAVAILABLE,
    ErrorCode.MESSAGE_UNAVAILABLE,
    ErrorCode.REPLY_MESSAGE_UNAVAILABLE,
    ErrorCode.CLIENT_APP_CRASHED,
}
"""Errors after which a node is asked again."""
TRIES = 5
"""How often."""
PAUSE = 0.05
"""Seconds between two looks at the grid."""


class Roll:
    """Knows the nodes of a grid.

    Args:
        clients: how many there are to be.
        question: a message to a node that is new.
        pause: called between two looks; may raise KeyboardInterrupt.
    """

    def __init__(self, grid: Grid, clients: int, question: Callable[[], RecordDict], pause: Callable[[], None]) -> None:
        self._grid, self._clients, self._question, self._pause = grid, clients, question, pause
        self._nodes: dict[int, int] = {}
        self._seats: dict[int, Seat] = {}
        self._asked: dict[str, int] = {}
        self._refused: dict[int, str] = {}
        self._rivals: dict[int, int] = {}
        self._failures: Counter[int] = Counter()

    @property
    def seats(self) -> list[Seat]:
        """Where the clients run that have been seen."""
        return [self._seats[client] for client in sorted(self._seats)]

    def call(self, wanted: Collection[int], enough: int, seconds: float) -> Mapping[int, int]:
        """The nodes of the wanted clients that are there: node by client.

        Waits while there are fewer than ``enough``, but no longer than ``seconds``.
        """
        deadline = time.monotonic() + seconds
        while True:
            there = self._look()
            present = {client: self._nodes[client] for client in wanted if self._nodes.get(client) in there}
            if len(present) >= enough or time.monotonic() > deadline:
                return present
            self._pause()

    @property
    def refused(self) -> Sequence[str]:
        """Why nodes that are there do not count."""
        return list(self._refused.values())

    def _look(self) -> set[int]:
        """Ask nodes that are new, hear what they say; the nodes that are there."""
        there = set(self._grid.get_node_ids())
        self._reconsider(there)
        known = {*self._nodes.values(), *self._asked.values(), *self._refused}
        for node in sorted(there - known):
            for number in self._grid.push_messages([Message(self._question(), node, MessageType.QUERY)]):
                if number is not None:  # else Flower took no message, and the next look asks again
                    self._asked[number] = node
        if self._asked:
            for reply in self._grid.pull_messages(list(self._asked)):
                self._hear(reply, there)
        return there

    def _reconsider(self, there: Collection[int]) -> None:
        """Take nodes whose client another one was, which is gone now: Flower is slow to see that a node ended."""
        for node in [node for node, client in self._rivals.items() if self._nodes[client] not in there]:
            del self._rivals[node], self._refused[node]

    def _hear(self, reply: Message, there: Collection[int]) -> None:
        node = self._asked.pop(reply.metadata.reply_to_message_id)
        if reply.has_error():
            self._failures[node] += 1
            if reply.error.code not in PASSING or self._failures[node] == TRIES:
                self._refused[node] = f"node {node}: {reply.error.reason}"
            return
        said = envelope.notes(reply.content)
        client = said.get("client")
        if not isinstance(client, int) or client >= self._clients:
            self._refused[node] = f"node {node}: is client {client} of {self._clients}; count from 0"
        elif self._nodes.get(client) in there:
            self._refused[node] = f"node {node}: is client {client}, as node {self._nodes[client]} is"
            self._rivals[node] = client
        else:
            self._nodes[client] = node
            self._seats[client] = Seat(client, str(said.get("host", "")), str(said.get("device", "")))
