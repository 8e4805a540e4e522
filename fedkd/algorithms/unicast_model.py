"""Downlink "model, to each": an independent Om_i = C(w - H_i) and a memory H_i for every client (Rand-MCM)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedkd.algorithms.downlinks import Downlink, DownlinkState, Receiver, StaleMemoryError
from fedkd.clients.store import ClientState
from fedkd.messages import Broadcast, Kind, Message
from fedkd_compression import Identity, decompress

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class UnicastModel(Downlink):
    """The server keeps w, preserved, and the memory H_i of every client that has taken part."""

    def start(self, model: Tensor) -> DownlinkState:
        """No memory yet."""
        return DownlinkState()

    def broadcast(
        self, state: DownlinkState, model: Tensor, round_: int, cohort: tuple[int, ...]
    ) -> tuple[Broadcast, DownlinkState]:
        """One message a client; H_i moves only when the client has answered."""
        unicast, pending = {}, {}
        for client in cohort:
            memory, version = state.own.get(client, (None, 0))
            sent = self.link.send(model, memory, self.key(round_, client))
            pending[client] = (sent.memory, round_ + 1)
            if self.link.in_full(memory):
                unicast[client] = (self.full(model, round_ + 1, round_, client),)
            else:
                unicast[client] = (self.change(sent, version, round_, client),)
        return Broadcast(round_, cohort, (), unicast), replace(state, pending=pending)

    def step(self, state: DownlinkState, model: Tensor, step: Tensor, round_: int) -> tuple[Tensor, DownlinkState]:
        """The uncompressed step: the central model is preserved."""
        return model - step, state

    def acknowledge(self, state: DownlinkState, clients: Sequence[int]) -> DownlinkState:
        """Move H_i of the clients that answered."""
        arrived = {client: state.pending[client] for client in clients}
        return replace(state, own={**state.own, **arrived}, pending={})

    def forget(self, state: DownlinkState, clients: Collection[int]) -> DownlinkState:
        """Drop their H_i."""
        return replace(state, own={client: own for client, own in state.own.items() if client not in clients})

    def refresh(self, state: DownlinkState, model: Tensor, round_: int) -> tuple[bytes, ...]:
        """Nothing: memories are the clients' own."""
        return ()

    def receiver(self) -> Receiver:
        """Memories live with the clients' states."""
        return OwnReceiver(self)


class OwnReceiver(Receiver):
    """Reads each client's messages against its own H_i."""

    def __init__(self, downlink: UnicastModel) -> None:
        super().__init__()
        self._downlink = downlink

    def hear(self, messages: Sequence[bytes | memoryview]) -> None:
        """Nothing is sent to everyone."""

    def read(
        self, client: int, state: ClientState, messages: Sequence[bytes | memoryview]
    ) -> tuple[Tensor, ClientState]:
        """Apply the client's one message and return x."""
        (data,) = messages
        message = Message.unpack(data)
        downlink, key = self._downlink, self._downlink.key(message.round, client)
        if message.kind is Kind.FULL:
            received = decompress(Identity(), [message.frame], key, downlink.dim)[0]
            return received, replace(state, downlink=received, received=message.memory)
        if message.memory != state.received:
            raise StaleMemoryError(
                f"client {client}: message changes version {message.memory}, here is {state.received}"
            )
        received, memory = downlink.link.receive(message.frame, state.downlink, key, downlink.dim)
        return received, replace(state, downlink=memory, received=message.round + 1)
