"""What a node remembers between messages, kept in its context: the only thing that Flower keeps for a client."""

from __future__ import annotations

from dataclasses import dataclass, field

from flwr.app import ConfigRecord, RecordDict

from fedkd import vectors
from fedkd.algorithms.downlinks import ReceiverState
from fedkd.clients import ClientState
from fedkd.clients.packed import pack_state, unpack_state
from fedkd.flower import envelope
from fedkd_compression import WireError

STATE, RECEIVER, VERSION = "client", "receiver", "version"
"""Names of the records in a context's state."""


@dataclass(frozen=True)
class Memories:
    """A client's own memories, and its end of the downlink."""

    client: ClientState = field(default_factory=ClientState)
    receiver: ReceiverState = field(default_factory=ReceiverState)


def load(state: RecordDict, client: int, dim: int) -> Memories:
    """What the context holds; nothing where it holds nothing, or nothing that can be read."""
    try:
        kept = [unpack_state(part) for part in envelope.parts(state, STATE)]
        heard = envelope.parts(state, RECEIVER)
        if len(kept) != 1 or kept[0][0] != client:
            return Memories()
        memory = vectors.unpack(heard[0], dim) if heard else None
    except WireError:
        return Memories()
    version = state.config_records[VERSION]["version"]
    return Memories(kept[0][1], ReceiverState(int(str(version)), memory, memory))


def save(state: RecordDict, client: int, memories: Memories) -> None:
    """Put them into the context; the model x is not kept, since every round brings it."""
    receiver = memories.receiver
    state[STATE] = envelope.arrays([pack_state(client, memories.client)])
    state[RECEIVER] = envelope.arrays([] if receiver.memory is None else [vectors.pack(receiver.memory)])
    state[VERSION] = ConfigRecord({"version": receiver.version})
