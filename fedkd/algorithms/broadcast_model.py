"""Downlink "model, to all": one message Om = C(w - H) for everyone; clients receive x = H + Om (MCM)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedkd.algorithms.downlinks import Downlink, DownlinkState, Receiver, ReceiverState, StaleMemoryError
from fedkd.messages import Broadcast, Kind, Message
from fedkd_compression import Identity, decompress

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class BroadcastModel(Downlink):
    """The server keeps w, preserved; both ends keep H."""

    def start(self, model: Tensor) -> DownlinkState:
        """No memory yet."""
        return DownlinkState()

    def broadcast(
        self, state: DownlinkState, model: Tensor, round_: int, cohort: tuple[int, ...]
    ) -> tuple[Broadcast, DownlinkState]:
        """Om for all, and for a stale client what it missed; nothing for an empty cohort."""
        if not cohort:
            return Broadcast(round_, cohort, (), {}), state
        sent = self.link.send(model, state.memory, self.key(round_))
        version = state.version + 1
        if self.link.in_full(state.memory):
            shared = self.full(model, version, round_)
            return Broadcast(round_, cohort, (shared,), {}), replace(state, version=version, memory=sent.memory)
        shared = self.change(sent, state.version, round_)
        unicast = self._catch_ups(state, round_, cohort)
        history = self.remember(state.history, shared) if self.link.remembers else ()
        after = replace(state, version=version, memory=sent.memory, history=history)
        return Broadcast(round_, cohort, (shared,), unicast), after

    def step(self, state: DownlinkState, model: Tensor, step: Tensor, round_: int) -> tuple[Tensor, DownlinkState]:
        """The uncompressed step: the central model is preserved."""
        return model - step, state

    def acknowledge(self, state: DownlinkState, clients: Sequence[int]) -> DownlinkState:
        """These clients hold the newest version."""
        if not self.link.remembers:
            return state
        return replace(state, seen={**state.seen, **dict.fromkeys(clients, state.version)})

    def refresh(self, state: DownlinkState, model: Tensor, round_: int) -> tuple[bytes, ...]:
        """H itself, where one was started."""
        if state.memory is None or not self.link.remembers:
            return ()
        return (self.full(state.memory, state.version, round_),)

    def receiver(self) -> Receiver:
        """One H for all clients of a worker: it is the same for everyone of its version."""
        return ModelReceiver(self)

    def _catch_ups(self, state: DownlinkState, round_: int, cohort: tuple[int, ...]) -> dict[int, tuple[bytes, ...]]:
        stale = [client for client in cohort if state.seen.get(client, 0) < state.version]
        if not self.link.remembers or not stale or state.memory is None:
            return {}
        full = self.full(state.memory, state.version, round_)
        return {client: self.catch_up(state, client, state.version, full) for client in stale}


class ModelReceiver(Receiver):
    """A worker's H, its version, and the model x received last."""

    def __init__(self, downlink: BroadcastModel) -> None:
        super().__init__()
        self._downlink = downlink

    def hear(self, messages: Sequence[bytes | memoryview]) -> None:
        """Apply what is newer than H; what another client of this worker brought is skipped."""
        for data in messages:
            message = Message.unpack(data)
            if message.kind is Kind.FULL and message.memory > self.state.version:
                self._restart(message)
            elif message.kind is Kind.CHANGE and message.memory >= self.state.version:
                self._apply(message)

    def _restart(self, message: Message) -> None:
        downlink = self._downlink
        full = decompress(Identity(), [message.frame], downlink.key(message.round), downlink.dim)[0]
        self.state = ReceiverState(message.memory, full, full)

    def _apply(self, message: Message) -> None:
        downlink, version = self._downlink, self.state.version
        if downlink.link.remembers and message.memory > version:
            raise StaleMemoryError(f"round {message.round} changes version {message.memory}, here is {version}")
        stream = downlink.key(message.round)
        received, memory = downlink.link.receive(message.frame, self.state.memory, stream, downlink.dim)
        self.state = ReceiverState(message.memory + 1, memory, received)
