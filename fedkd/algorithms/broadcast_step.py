"""Downlink "step, to all": server and clients move the same model by the same compressed step (Artemis, DORE)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedkd.algorithms.downlinks import Downlink, DownlinkState, Receiver, ReceiverState, StaleMemoryError
from fedkd.errors import ConfigurationError
from fedkd.links import Shift
from fedkd.messages import Broadcast, Kind, Message
from fedkd_compression import Identity, Operator, decompress

if TYPE_CHECKING:
    from torch import Tensor

START = 1
"""The version of the initial model; a client that has nothing yet is at 0."""


@dataclass(frozen=True)
class BroadcastStep(Downlink):
    """The server's model is the degraded one that clients hold; the version counts steps."""

    def __post_init__(self) -> None:
        if isinstance(self.link.memory, Shift):
            raise ConfigurationError(
                "downlink: memory Shift does not fit a compressed step; choose NoMemory or ErrorFeedback"
            )

    def start(self, model: Tensor) -> DownlinkState:
        """The initial model waits to be sent, once for all."""
        return DownlinkState(version=START, outbox=(self.full(model, START, 0),))

    def broadcast(
        self, state: DownlinkState, model: Tensor, round_: int, cohort: tuple[int, ...]
    ) -> tuple[Broadcast, DownlinkState]:
        """The steps made since the last broadcast, and for a stale client what it missed before."""
        if not cohort:
            return Broadcast(round_, cohort, (), {}), state
        unicast = self._catch_ups(state, model, round_, cohort)
        return Broadcast(round_, cohort, state.outbox, unicast), replace(state, outbox=())

    def step(self, state: DownlinkState, model: Tensor, step: Tensor, round_: int) -> tuple[Tensor, DownlinkState]:
        """Compress the step, move the server's model by what clients will decode, and keep the message."""
        sent = self.link.send(step, state.memory, self.key(round_))
        message = self.change(sent, state.version, round_)
        after = replace(
            state,
            version=state.version + 1,
            memory=sent.memory,
            history=self.remember(state.history, message),
            outbox=(*state.outbox, message),
        )
        return model - sent.change, after

    def acknowledge(self, state: DownlinkState, clients: Sequence[int]) -> DownlinkState:
        """These clients hold the newest model that was sent."""
        sent = state.version - len(state.outbox)
        return replace(state, seen={**state.seen, **dict.fromkeys(clients, sent)})

    def refresh(self, state: DownlinkState, model: Tensor, round_: int) -> tuple[bytes, ...]:
        """The model with all steps made; the initial one waits in the outbox anyway."""
        return () if self._starts(state) else (self.full(model, state.version, round_),)

    def receiver(self) -> Receiver:
        """One model for all clients of a worker."""
        return StepReceiver(self)

    def _catch_ups(
        self, state: DownlinkState, model: Tensor, round_: int, cohort: tuple[int, ...]
    ) -> dict[int, tuple[bytes, ...]]:
        if self._starts(state):
            return {}
        before = state.version - len(state.outbox)
        stale = [client for client in cohort if state.seen.get(client, 0) < before]
        if not stale:
            return {}
        full = self.full(model, state.version, round_)
        return {client: self.catch_up(state, client, before, full) for client in stale}

    def _starts(self, state: DownlinkState) -> bool:
        """Whether the initial model is still to be sent."""
        return bool(state.outbox) and Message.unpack(state.outbox[0]).kind is Kind.FULL


class StepReceiver(Receiver):
    """A worker's copy of the model and its version."""

    def __init__(self, downlink: BroadcastStep) -> None:
        super().__init__()
        self._downlink = downlink

    def hear(self, messages: Sequence[bytes | memoryview]) -> None:
        """Apply the steps that are newer than the model."""
        for data in messages:
            message = Message.unpack(data)
            if message.kind is Kind.FULL and message.memory > self.state.version:
                model = self._decode(Identity(), message)
                self.state = ReceiverState(message.memory, model, model)
            elif message.kind is Kind.CHANGE and message.memory >= self.state.version:
                self._step(message)

    def _step(self, message: Message) -> None:
        version, model = self.state.version, self.state.memory
        if model is None or message.memory > version:
            raise StaleMemoryError(f"round {message.round} steps from version {message.memory}, here is {version}")
        model = model - self._decode(self._downlink.link.operator, message)
        self.state = ReceiverState(message.memory + 1, model, model)

    def _decode(self, operator: Operator, message: Message) -> Tensor:
        return decompress(operator, [message.frame], self._downlink.key(message.round), self._downlink.dim)[0]
