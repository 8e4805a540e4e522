"""A grid in memory some of whose nodes fail as told."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

from flwr.app import Context, Message

from fedkd.flower import envelope
from fedkd.flower.grid import DirectGrid
from fedkd.flower.in_process import client_app


@dataclass(frozen=True)
class Fault:
    """What happens to a client in a round.

    ``silent``: it never hears. ``late``: it trains, and its reply never comes. ``restarts``: it begins the round
    without its context. ``twice``: it is late, and what it then remembers replaces what it learns in the next round.
    ``again``: its message is delivered once more when it has answered. ``leaves``: it answers, and its node is gone.
    """

    kind: str
    client: int
    round: int


class FaultyGrid(DirectGrid):
    """Counts what crosses it, and fails as told."""

    def __init__(self, clients: int, *faults: Fault) -> None:
        super().__init__(client_app(), clients)
        self._faults = {(fault.client, fault.round): fault.kind for fault in faults}
        self._late: dict[int, Context] = {}
        self._gone: set[int] = set()
        self.bytes: dict[int, dict[str, int]] = {}

    def client(self, number: int) -> Context:
        """A client's context."""
        return self.contexts[number + 2]

    def get_node_ids(self) -> list[int]:
        """Those that have not left."""
        return [node for node in self.contexts if node not in self._gone]

    def deliver(self, message: Message) -> Message | None:
        """As told."""
        if "round" not in envelope.notes(message.content):
            return super().deliver(message)
        client, round_ = message.metadata.dst_node_id - 2, envelope.number(message.content, "round")
        fault = self._faults.get((client, round_))
        self._count(round_, "down", message)
        if fault == "silent":
            return None
        if fault == "restarts":
            self.contexts[client + 2] = self.context(client + 2, len(self.contexts))
        reply = super().deliver(message)
        if self._faults.get((client, round_ - 1)) == "twice":
            self.contexts[client + 2] = self._late[client]
        if fault == "again":
            super().deliver(message)
        if fault == "leaves":
            self._gone.add(client + 2)
        if fault in ("late", "twice"):
            self._late[client] = deepcopy(self.client(client))
            return None
        if reply is not None and not reply.has_error():
            self._count(round_, "up", reply)
        return reply

    def _count(self, round_: int, way: str, message: Message) -> None:
        sizes: Mapping[str, int] = self.bytes.setdefault(round_, {"down": 0, "up": 0})
        size = sum(map(len, envelope.parts(message.content, envelope.MESSAGES)))
        self.bytes[round_] = {**sizes, way: sizes[way] + size}
