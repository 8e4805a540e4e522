"""Downlink "model, to each" with a Difference memory: what w has moved by, compressed for every client (MARINA-P).

    x_i = w with a probability, the same coin for all clients, or else x_i + C_i(w - w_before)

Every client holds a model x_i of its own, which the server does not know: it keeps only w_before, the model of the last
broadcast. With independent unbiased C_i the mean of the x_i errs N times less than one of them. Source: Gruntkowska,
Tyurin and Richtarik (2024), MARINA-P with independent compressors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedkd.algorithms.downlinks import Downlink, DownlinkState, Receiver, ReceiverState, StaleMemoryError
from fedkd.clients.store import ClientState
from fedkd.keys import EVERYONE
from fedkd.links import Difference
from fedkd.messages import Broadcast, Kind, Message
from fedkd_compression import Identity, decompress

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MovedModel(Downlink):
    """The version counts broadcasts; whoever missed one is sent w itself."""

    def start(self, model: Tensor) -> DownlinkState:
        """No model was sent yet."""
        return DownlinkState()

    def broadcast(
        self, state: DownlinkState, model: Tensor, round_: int, cohort: tuple[int, ...]
    ) -> tuple[Broadcast, DownlinkState]:
        """W to all when the coin says so, or a change to each; nothing for an empty cohort."""
        if not cohort:
            return Broadcast(round_, cohort, (), {}), state
        version = state.version + 1
        after = replace(state, version=version, memory=model)
        if state.memory is None or self.whole(round_):
            return Broadcast(round_, cohort, (self.full(model, version, round_),), {}), after
        moved, unicast = model - state.memory, {}
        for client in cohort:
            if state.seen.get(client, 0) < state.version:
                unicast[client] = (self.full(model, version, round_, client),)
            else:
                sent = self.link.send(moved, None, self.key(round_, client))
                unicast[client] = (self.change(sent, state.version, round_, client),)
        return Broadcast(round_, cohort, (), unicast), after

    def whole(self, round_: int) -> bool:
        """The coin of a round."""
        memory = self.link.memory
        assert isinstance(memory, Difference), "assemble gives no other"
        return float(self.key(round_).fold("whole").uniforms(1)[0, 0]) < memory.probability

    def step(self, state: DownlinkState, model: Tensor, step: Tensor, round_: int) -> tuple[Tensor, DownlinkState]:
        """The uncompressed step: the central model is preserved."""
        return model - step, state

    def acknowledge(self, state: DownlinkState, clients: Sequence[int]) -> DownlinkState:
        """These clients hold the newest version."""
        return replace(state, seen={**state.seen, **dict.fromkeys(clients, state.version)})

    def refresh(self, state: DownlinkState, model: Tensor, round_: int) -> tuple[bytes, ...]:
        """Nothing: models are the clients' own."""
        return ()

    def receiver(self) -> Receiver:
        """Models live with the clients' states."""
        return MovedReceiver(self)


class MovedReceiver(Receiver):
    """Moves each client's own x_i; the state is the model that a round sends to all, if it does."""

    def __init__(self, downlink: MovedModel) -> None:
        super().__init__()
        self._downlink = downlink

    def hear(self, messages: Sequence[bytes | memoryview]) -> None:
        """Keep the model that is sent to all, decoded once; it is for this round alone."""
        whole = [message for message in map(Message.unpack, messages) if message.client == EVERYONE]
        if not whole:
            self.state = ReceiverState()
        elif whole[-1].memory != self.state.version:
            self.state = ReceiverState(whole[-1].memory, None, self._whole(whole[-1]))

    def read(
        self, client: int, state: ClientState, messages: Sequence[bytes | memoryview]
    ) -> tuple[Tensor, ClientState]:
        """Apply the client's one message, or take what was sent to all, and return x_i."""
        message = Message.unpack(messages[-1]) if messages else None
        if message is not None and message.client != EVERYONE:
            return self._own(state, message)
        if messages:
            self.hear(messages)
        received = self.state.received
        if received is None:
            raise StaleMemoryError(f"client {client}: no model has arrived")
        return received, replace(state, downlink=received, received=self.state.version)

    def _own(self, state: ClientState, message: Message) -> tuple[Tensor, ClientState]:
        downlink = self._downlink
        if message.kind is Kind.FULL:
            received = self._whole(message)
            return received, replace(state, downlink=received, received=message.memory)
        if message.memory != state.received or state.downlink is None:
            raise StaleMemoryError(
                f"client {message.client}: message changes version {message.memory}, here is {state.received}"
            )
        stream = downlink.key(message.round, message.client)
        received = state.downlink + downlink.link.decode(message.frame, None, stream, downlink.dim)
        return received, replace(state, downlink=received, received=message.memory + 1)

    def _whole(self, message: Message) -> Tensor:
        stream = self._downlink.key(message.round, message.client)
        return decompress(Identity(), [message.frame], stream, self._downlink.dim)[0]
