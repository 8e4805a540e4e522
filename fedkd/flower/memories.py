"""What a node remembers between messages.

Flower keeps a node's context, and nothing else. In a deployment the memories lie in it. In a simulation the contexts of
all nodes pass through one process, message by message; so there the vectors lie in a file of the run's folder, one a
client, and the context names it. A context that Flower brings back too late names a file that is gone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flwr.app import ConfigRecord, RecordDict

from fedkd import vectors
from fedkd.algorithms.downlinks import ReceiverState
from fedkd.clients import ClientState
from fedkd.clients.packed import pack_state, unpack_state
from fedkd.executors.parcels import FIXED, Kind, Parcel, read_head, tables_size
from fedkd.flower import envelope
from fedkd_compression import WireError

MEMORIES, ABOUT = "memories", "memories.about"
"""Names of the records in a context's state."""


@dataclass(frozen=True)
class Memories:
    """A client's own memories, and its end of the downlink."""

    client: ClientState = field(default_factory=ClientState)
    receiver: ReceiverState = field(default_factory=ReceiverState)


@dataclass(frozen=True)
class Keeper:
    """Where one node's memories are.

    Args:
        state: of the node's context.
        folder: for files that the context names; None keeps all in the context.
    """

    state: RecordDict
    client: int
    folder: Path | None

    def load(self, dim: int) -> Memories:
        """What is there; nothing where there is nothing, or nothing that can be read."""
        about = self.state.get(ABOUT)
        if not isinstance(about, ConfigRecord):
            return Memories()
        try:
            own, *heard = self._parts(str(about["name"]))
            client, state = unpack_state(own)
            memory = vectors.unpack(heard[0], dim) if heard else None
        except (WireError, OSError, ValueError):
            return Memories()
        version = envelope.whole(about["version"])
        return Memories(state, ReceiverState(version, memory, memory)) if client == self.client else Memories()

    def save(self, memories: Memories) -> None:
        """Keep them; the model x is not kept, since every round brings it."""
        receiver, name = memories.receiver, f"{self.client:06d}/{memories.client.sent}"
        parts = [pack_state(self.client, memories.client)]
        parts += [] if receiver.memory is None else [vectors.pack(receiver.memory)]
        if self.folder is None:
            self.state[MEMORIES] = envelope.arrays(parts)
        else:
            _replace(self.folder / name, parts)
        self.state[ABOUT] = ConfigRecord({"name": name, "version": receiver.version})

    def _parts(self, name: str) -> Sequence[bytes | memoryview]:
        if self.folder is None:
            return envelope.parts(self.state, MEMORIES)
        data = memoryview((self.folder / name).read_bytes())
        start = FIXED + tables_size(data[:FIXED])
        parts = []
        for size in read_head(data[:start]).sizes:
            parts.append(data[start : start + size])
            start += size
        return parts


def memories_of(folder: Path, run: int) -> Path:
    """Where the clients' memories of a Flower run are, in the run's folder."""
    return folder / "clients" / f"flower-{run}"


def forget(state: RecordDict) -> None:
    """Remove what a context's state says of memories: they are another job's."""
    for name in (MEMORIES, ABOUT):
        state.pop(name, None)


def forget_others(folder: Path) -> None:
    """Remove what earlier Flower runs of the same folder, which this one resumes, have left."""
    for old in (folder / "clients").glob("flower-*"):
        shutil.rmtree(old, ignore_errors=True)


def _replace(path: Path, parts: Sequence[bytes]) -> None:
    """Write a client's file in one step, and remove those that it had before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.writelines((Parcel(Kind.RESTORE, parts=tuple(parts)).head(), *parts))
    temporary.replace(path)
    for old in path.parent.iterdir():
        if old != path:
            old.unlink(missing_ok=True)
