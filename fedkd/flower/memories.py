"""What a node remembers between messages.

Flower keeps a node's context, and nothing else. In a deployment the memories lie in it. In a simulation the contexts of
all nodes pass through one process, message by message; so there the vectors lie in a file of the run's folder, one a
client, and the context names it. A context that Flower brings back too late names a file that is gone.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import torch
from flwr.app import ConfigRecord, RecordDict

from fedkd.algorithms.downlinks import ReceiverState, StaleMemoryError
from fedkd.clients import ClientState
from fedkd.flower import envelope
from fedkd_compression import WireError

if TYPE_CHECKING:
    from torch import Tensor

MEMORIES, BEFORE, ABOUT = "memories", "memories.before", "memories.about"
"""Names of the records in a context's state."""
MAGIC = b"fm2\n"
_HEAD = struct.Struct("<4sIIIIBI")
"""Magic, client, version of its memories up and down, version of the receiver's, which vectors follow, checksum."""


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

    def load(self, like: Tensor, task: int, version: int | None = None) -> Memories:
        """What is there; nothing where there is nothing, or nothing that can be read.

        Args:
            like: a vector [d] of the type and length of the links' memories.
            task: the length of what the task keeps, of the same type.
            version: of the memories that are wanted; None for the newest.

        Raises:
            StaleMemoryError: the version is not here.
        """
        found = Memories()
        for record in (MEMORIES, BEFORE):
            if (found := self._found(record, like, task)).client.sent == version or version is None:
                return found
        if version:
            raise StaleMemoryError(f"client {self.client}: version {version} of its memories is not here")
        return Memories()

    def save(self, memories: Memories, before: Memories) -> None:
        """Keep them, and those before, since the server may not have the update that lies between.

        The model x is not kept, since every round brings it.
        """
        names = {MEMORIES: self._name(memories), BEFORE: self._name(before)}
        if self.folder is None:
            for record, held in ((MEMORIES, memories), (BEFORE, before)):
                self.state[record] = envelope.arrays([b"".join(_pieces(self.client, held))])
        else:
            _replace(self.folder / names[MEMORIES], _pieces(self.client, memories), self.folder / names[BEFORE])
        self.state[ABOUT] = ConfigRecord({**names})

    def _found(self, record: str, like: Tensor, task: int) -> Memories:
        about = self.state.get(ABOUT)
        if not isinstance(about, ConfigRecord) or record not in about:
            return Memories()
        try:
            with self._opened(record, str(about[record])) as file:
                return _read(file, self.client, like, task)
        except (WireError, OSError):
            return Memories()

    def _name(self, memories: Memories) -> str:
        return f"{self.client:06d}/{memories.client.sent}"

    def _opened(self, record: str, name: str) -> BinaryIO:
        if self.folder is not None:
            return (self.folder / name).open("rb")
        return io.BytesIO(b"".join(envelope.parts(self.state, record)))


def _pieces(client: int, memories: Memories) -> list[bytes | memoryview]:
    """Memories as bytes: a head, then the vectors as they lie in memory."""
    own, receiver = memories.client, memories.receiver
    vectors = (*own.vectors, receiver.memory)
    raw = [_bytes(vector) for vector in vectors if vector is not None]
    there = sum(1 << place for place, vector in enumerate(vectors) if vector is not None)
    return [_HEAD.pack(MAGIC, client, own.sent, own.received, receiver.version, there, _checksum(raw)), *raw]


def _read(file: BinaryIO, client: int, like: Tensor, task: int) -> Memories:
    """What ``_pieces`` made for this client.

    Raises:
        WireError: these are not such bytes.
    """
    head = file.read(_HEAD.size)
    if len(head) != _HEAD.size:
        raise WireError(f"memories: {len(head)} bytes, fewer than their head of {_HEAD.size}")
    magic, owner, sent, received, version, there, checksum = _HEAD.unpack(head)
    lengths = (len(like), len(like), task, len(like))
    vectors = [like.new_empty(length) if there >> place & 1 else None for place, length in enumerate(lengths)]
    raw = [_bytes(vector) for vector in vectors if vector is not None]
    whole = all(file.readinto(piece) == len(piece) for piece in raw) and not file.read(1)  # type: ignore[attr-defined]
    if (magic, owner, whole) != (MAGIC, client, True) or _checksum(raw) != checksum:
        raise WireError("memories: damaged, cut off, or another client's")
    uplink, downlink, kept, memory = vectors
    return Memories(ClientState(uplink, sent, downlink, received, kept), ReceiverState(version, memory, memory))


def _bytes(vector: Tensor) -> memoryview:
    return vector.contiguous().view(torch.uint8).numpy().data


def _checksum(pieces: Sequence[memoryview]) -> int:
    checksum = 0
    for piece in pieces:
        checksum = zlib.crc32(piece, checksum)
    return checksum


def memories_of(folder: Path, run: int) -> Path:
    """Where the clients' memories of a Flower run are, in the run's folder."""
    return folder / "clients" / f"flower-{run}"


def forget(state: RecordDict) -> None:
    """Remove what a context's state says of memories: they are another job's."""
    for name in (MEMORIES, BEFORE, ABOUT):
        state.pop(name, None)


def forget_others(folder: Path) -> None:
    """Remove what earlier Flower runs of the same folder, which this one resumes, have left."""
    for old in (folder / "clients").glob("flower-*"):
        shutil.rmtree(old, ignore_errors=True)


def _replace(path: Path, pieces: Sequence[bytes | memoryview], before: Path) -> None:
    """Write a client's file in one step, and remove those that it had, but for the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.writelines(pieces)
    temporary.replace(path)
    for old in path.parent.iterdir():
        if old not in (path, before):
            old.unlink(missing_ok=True)
