"""The downlink: what the server compresses, who receives it, and how a stale client catches up.

Every message names the version of the memory (or model) that it changes. A receiver skips what it has,
applies what comes next, and refuses a gap: a mismatch is never silent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fedkd.clients.store import ClientState
from fedkd.keys import EVERYONE, key
from fedkd.links import Link, Sent
from fedkd.messages import Broadcast, Kind, Message
from fedkd_compression import Identity, Key, compress_in_pieces

if TYPE_CHECKING:
    from torch import Tensor


class StaleMemoryError(RuntimeError):
    """A message was made against a memory that its receiver does not have."""


@dataclass(frozen=True)
class DownlinkState:
    """The server's end of the downlink.

    Args:
        version: of the memory H, or of the model where the step is compressed.
        memory: H [d], or what error feedback kept; None before the first message.
        history: the newest messages, the last one leading to ``version``.
        outbox: messages made at the end of a round, to be sent in the next.
        seen: the version that each client is known to hold.
        own: each client's own (H_i, version), where every client has one; the version is that of ``ClientState``.
        pending: the same after messages that are not yet known to have arrived.
    """

    version: int = 0
    memory: Tensor | None = None
    history: tuple[bytes, ...] = ()
    outbox: tuple[bytes, ...] = ()
    seen: Mapping[int, int] = field(default_factory=dict)
    own: Mapping[int, tuple[Tensor | None, int]] = field(default_factory=dict)
    pending: Mapping[int, tuple[Tensor | None, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Downlink(ABC):
    """The server's half of a downlink; ``run`` numbers the run, ``dim`` is d."""

    link: Link
    seed: int
    run: int
    dim: int

    @abstractmethod
    def start(self, model: Tensor) -> DownlinkState:
        """The state before the first round."""

    @abstractmethod
    def broadcast(
        self, state: DownlinkState, model: Tensor, round_: int, cohort: tuple[int, ...]
    ) -> tuple[Broadcast, DownlinkState]:
        """The messages of a round."""

    @abstractmethod
    def step(self, state: DownlinkState, model: Tensor, step: Tensor, round_: int) -> tuple[Tensor, DownlinkState]:
        """Move the server's model by a step [d]."""

    @abstractmethod
    def acknowledge(self, state: DownlinkState, clients: Sequence[int]) -> DownlinkState:
        """Commit what is now known to have arrived: these clients have answered."""

    def forget(self, state: DownlinkState, clients: Collection[int]) -> DownlinkState:
        """Take these clients for new ones: the next message to them brings everything."""
        return replace(state, seen={client: version for client, version in state.seen.items() if client not in clients})

    @abstractmethod
    def refresh(self, state: DownlinkState, model: Tensor, round_: int) -> tuple[bytes, ...]:
        """Messages that bring an empty receiver to this state, before the round's broadcast is made."""

    @abstractmethod
    def receiver(self) -> Receiver:
        """The other end, for one worker."""

    def full(self, vector: Tensor, version: int, round_: int, client: int = EVERYONE) -> bytes:
        """A message that carries a vector itself."""
        frames, _ = compress_in_pieces(Identity(), vector[None], self.key(round_, client))
        return Message(Kind.FULL, self.run, round_, client, version, b"").pack(frames[0])

    def change(self, sent: Sent, version: int, round_: int, client: int = EVERYONE) -> bytes:
        """A message that carries a change against a version."""
        return Message(Kind.CHANGE, self.run, round_, client, version, b"").pack(sent.pieces)

    def restart(self, round_: int, client: int) -> bytes:
        """A message that tells a client to forget what it remembers."""
        return Message(Kind.RESTART, self.run, round_, client, 0, b"").pack()

    def undo(self, round_: int, client: int, version: int) -> bytes:
        """A message that tells a client to go back to a version of its memories."""
        return Message(Kind.UNDO, self.run, round_, client, version, b"").pack()

    def key(self, round_: int, client: int = EVERYONE) -> Key:
        """The operator's randomness for one message."""
        return key(self.seed, "downlink", round_, client)

    def catch_up(self, state: DownlinkState, client: int, target: int, full: bytes) -> tuple[bytes, ...]:
        """What brings a client to version ``target``: what it missed, or everything, whichever is shorter."""
        have, oldest = state.seen.get(client, 0), state.version - len(state.history)
        if have >= target:
            return ()
        missed = state.history[have - oldest : target - oldest] if have >= oldest else ()
        return missed if missed and sum(map(len, missed)) < len(full) else (full,)

    def remember(self, history: tuple[bytes, ...], message: bytes) -> tuple[bytes, ...]:
        """Keep the newest messages as long as sending them all is shorter than the vector itself."""
        history, budget = (*history, message), 4 * self.dim
        while history and sum(map(len, history)) > budget:
            history = history[1:]
        return history


@dataclass(frozen=True)
class ReceiverState:
    """What a worker keeps of the downlink.

    Args:
        version: of ``memory``; 0 before anything arrived.
        memory: H, or the model where steps travel [d].
        received: the model x of the newest message [d].
    """

    version: int = 0
    memory: Tensor | None = None
    received: Tensor | None = None


class Receiver(ABC):
    """A worker's end of the downlink; it gives a client the model x that it trains from."""

    def __init__(self) -> None:
        self.state = ReceiverState()

    @abstractmethod
    def hear(self, messages: Sequence[bytes | memoryview]) -> None:
        """Read messages in order: what is newer than the state is decoded, once for all clients of the worker.

        Raises:
            StaleMemoryError: a message needs a memory that is not here.
            WireError: a message is damaged.
        """

    def read(
        self, client: int, state: ClientState, messages: Sequence[bytes | memoryview]
    ) -> tuple[Tensor, ClientState]:
        """Read a client's messages; the result is x [d] and the client's state after them.

        Raises:
            StaleMemoryError: a message needs a memory that is not here.
            WireError: a message is damaged.
        """
        self.hear(messages)
        if self.state.received is None:
            raise StaleMemoryError(f"client {client}: no model has arrived")
        return self.state.received, state
