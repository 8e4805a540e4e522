"""Client states in a folder that the processes of one host share.

A file holds the records of 64 clients. A record begins at a multiple of 4096 bytes: a page with the heads of its slots,
then the slots, each with room for two vectors of the links and one of the task. There are two more than checkpoints are
kept: at worst each checkpoint needs a state, one is that before the current round, and one is being written; while some
of these are the same, the last slots are never touched. Files are sparse: what was not written takes no space.

A slot's head is erased before its vectors are overwritten and written after them, so a process that is killed at
any instant leaves the state before the round or the one after it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fedkd.clients.layout import claim
from fedkd.clients.shards import Shards
from fedkd.clients.slots import SPARE, DamagedHeadError, Head, heads_bytes, pack, unpack
from fedkd.clients.store import ClientState
from fedkd.clients.stores import Store, needed
from fedkd.errors import ConfigurationError
from fedkd_compression import checksum

if TYPE_CHECKING:
    from torch import Tensor

_CLIENTS_A_FILE = 64
_PAGE = 4096


class FolderStore(Store):
    """Bytes go between the files and the tensors themselves; neither is copied, mapped or kept.

    A client is handled by one process at a time; processes that share the folder each commit what they put.

    Args:
        folder: made if it is missing; an existing one is continued.
        dim: the length of the links' vectors.
        dtype: of every vector; tensors come back on the CPU.
        task: the length of the task's.
        checkpoints: that are kept, at most.

    Raises:
        ConfigurationError: the folder was made for other vectors.
        StorageError: the system refused.

    Example:
        >>> store = FolderStore(Path("runs/a/clients"), dim=25450, dtype=torch.float32)
    """

    def __init__(self, folder: Path, dim: int, dtype: torch.dtype, task: int = 0, checkpoints: int = 1) -> None:
        self._slots = checkpoints + SPARE
        layout: dict[str, int | str] = {"dim": dim, "dtype": str(dtype), "task": task, "slots": self._slots}
        claim(folder, {**layout, "clients_a_file": _CLIENTS_A_FILE})
        self._shards = Shards(folder)
        self._lengths, self._dtype = (dim, dim, task), dtype
        self._committed: Collection[int] = ()
        self._slot_bytes = -(-sum(self._lengths) * dtype.itemsize // _PAGE) * _PAGE

    def before(self, client: int, round_: int) -> ClientState:
        """The newest state from a round before ``round_``; an empty one if there is none.

        Raises:
            ConfigurationError: the state is damaged.
            StorageError: the system refused.
        """
        older = [(head, slot) for head, slot in self._known(client) if head.round < round_]
        return self._state(client, *max(older)) if older else ClientState()

    def newest(self, client: int, round_: int) -> int:
        """The round that made what ``before`` gives; -1 where that is empty."""
        return max((head.round for head, _ in self._known(client) if head.round < round_), default=-1)

    def put(self, client: int, round_: int, state: ClientState) -> None:
        """Keep the state after ``round_``.

        Raises:
            ConfigurationError: the client's record is damaged.
            StorageError: the system refused: a full disk.
            ValueError: the round is committed, or a vector is not of this store's length and type.
        """
        vectors, heads = self._vectors(client, state), self._heads(client)
        kept = needed((head.round for head in heads if head is not None), self._committed, round_)
        heads = [head if head is not None and head.round in kept else None for head in heads]
        self._write(client, heads, _head(round_, state, vectors), vectors)

    def undo(self, client: int, round_: int) -> None:
        """Forget the states after ``round_`` and later rounds."""
        heads = self._heads(client)
        if any(head is not None and head.round >= round_ for head in heads):
            self._write_heads(client, [head if head is not None and head.round < round_ else None for head in heads])

    def give(self, client: int) -> Mapping[int, ClientState]:
        """All states of a client; they stay in the files, for checkpoints that know it to be here.

        Raises:
            ConfigurationError: one is damaged.
            StorageError: the system refused.
        """
        return {head.round: self._state(client, head, slot) for head, slot in self._known(client)}

    def adopt(self, client: int, states: Mapping[int, ClientState]) -> None:
        """Take what another store gave; what was here already, and is the same, is not written again."""
        vectors = {round_: self._vectors(client, state) for round_, state in states.items()}
        wanted = {_head(round_, state, vectors[round_]): round_ for round_, state in states.items()}
        heads = [head if head in wanted else None for head in self._heads(client)]
        for head, round_ in wanted.items():
            if head not in heads:
                self._write(client, heads, head, vectors[round_])
        self._write_heads(client, heads)

    def commit(self, rounds: Collection[int], undone: Mapping[int, int]) -> None:
        """Wait until what this process put is on the disk.

        What is to be undone needs nothing here: the state before it stays until its client is put again.

        Raises:
            StorageError: the system refused.
        """
        self._shards.sync()
        self._committed = rounds

    def carried(self, round_: int) -> Iterator[tuple[int, ClientState]]:
        """None: they are in the files."""
        return iter(())

    def close(self) -> None:
        """Close all files."""
        self._shards.close()

    def _known(self, client: int) -> list[tuple[Head, int]]:
        """The heads of a client's states, each with its slot."""
        return [(head, slot) for slot, head in enumerate(self._heads(client)) if head is not None]

    def _state(self, client: int, head: Head, slot: int) -> ClientState:
        """What lies in a slot."""
        uplink, downlink, task = (
            torch.empty(length, dtype=self._dtype) if there else None
            for length, there in zip(self._lengths, head.present, strict=True)
        )
        self._fill(client, slot, head, [_bytes(vector) for vector in (uplink, downlink, task) if vector is not None])
        return ClientState(uplink, head.sent, downlink, head.received, task)

    def _write(self, client: int, heads: list[Head | None], head: Head, vectors: list[memoryview]) -> None:
        """A state into the first free slot, which its head then fills."""
        shard, offset = self._place(client)
        slot = heads.index(None)
        if vectors:
            self._write_heads(client, heads)
            self._shards.write(shard, vectors, self._start(offset, slot))
        heads[slot] = head
        self._write_heads(client, heads)

    def _write_heads(self, client: int, heads: list[Head | None]) -> None:
        shard, offset = self._place(client)
        self._shards.write(shard, [pack(heads, client)], offset)

    def _place(self, client: int) -> tuple[int, int]:
        """The client's shard and where its record begins."""
        shard, place = divmod(client, _CLIENTS_A_FILE)
        return shard, place * (_PAGE + self._slots * self._slot_bytes)

    def _start(self, offset: int, slot: int) -> int:
        """Where a slot's vectors begin, in a record that begins at ``offset``."""
        return offset + _PAGE + slot * self._slot_bytes

    def _heads(self, client: int) -> list[Head | None]:
        shard, offset = self._place(client)
        data = bytearray(heads_bytes(self._slots))
        self._shards.read(shard, [memoryview(data)], offset)
        try:
            return unpack(bytes(data), client)
        except DamagedHeadError:
            raise self._damage(client) from None

    def _fill(self, client: int, slot: int, head: Head, vectors: list[memoryview]) -> None:
        """Read the vectors of a slot, which lie end to end."""
        shard, offset = self._place(client)
        count = self._shards.read(shard, vectors, self._start(offset, slot)) if vectors else 0
        if count != sum(map(len, vectors)) or _checksum(vectors) != head.checksum:
            raise self._damage(client)

    def _damage(self, client: int) -> ConfigurationError:
        path = self._shards.path(self._place(client)[0])
        return ConfigurationError(f"client {client}: its state in {path} is damaged; delete the folder to begin again")

    def _vectors(self, client: int, state: ClientState) -> list[memoryview]:
        """The bytes of the vectors that there are, which must be what this store keeps."""
        return [
            self._checked(vector, length, client)
            for vector, length in zip(state.vectors, self._lengths, strict=True)
            if vector is not None
        ]

    def _checked(self, vector: Tensor, length: int, client: int) -> memoryview:
        if vector.dtype != self._dtype or vector.shape != (length,):
            raise ValueError(
                f"client {client}: a vector {list(vector.shape)} of {vector.dtype}, but this store keeps "
                f"[{length}] of {self._dtype}"
            )
        return _bytes(vector)


def _head(round_: int, state: ClientState, vectors: list[memoryview]) -> Head:
    uplink, downlink, task = (vector is not None for vector in state.vectors)
    return Head(round_, state.sent, state.received, (uplink, downlink, task), _checksum(vectors))


def _bytes(vector: Tensor) -> memoryview:
    """The memory of a vector; a copy only if it is not contiguous or not on the CPU."""
    return vector.detach().cpu().contiguous().view(torch.uint8).numpy().data


def _checksum(vectors: list[memoryview]) -> int:
    found = 0
    for vector in vectors:
        found = checksum(vector, found)
    return found
