"""A client's state as bytes that check themselves: how it moves between processes.

Layout, little endian, the links' vectors and then the task's:

    client 4 | sent 4 | received 4 | dimension of links 4 | of the task 4 | bytes of each vector 8, 8, 8 | checksum 4
    vectors
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from fedkd import vectors
from fedkd.clients.store import ClientState
from fedkd_compression import WireError

if TYPE_CHECKING:
    from torch import Tensor

_HEAD = struct.Struct("<IIIIIQQQ")
_CHECKSUM = struct.Struct("<I")


def pack_state(client: int, state: ClientState) -> bytes:
    """The bytes of one client's state."""
    up, down, task = (0 if vector is None else len(vector) for vector in state.vectors)
    packed = [b"" if vector is None else vectors.pack(vector) for vector in state.vectors]
    head = _HEAD.pack(client, state.sent, state.received, max(up, down), task, *map(len, packed))
    return b"".join((head, _CHECKSUM.pack(zlib.crc32(head)), *packed))


def unpack_state(data: bytes | memoryview) -> tuple[int, ClientState]:
    """The client and its state.

    Raises:
        WireError: the bytes are damaged.
    """
    client, sent, received, dim, length, up, down, task = _head(data)
    start = _HEAD.size + _CHECKSUM.size
    if len(data) != start + up + down + task:
        raise WireError(f"client state: {len(data)} bytes, not {start + up + down + task}")
    rest = memoryview(data)[start:]
    uplink, downlink = _vector(rest[:up], dim), _vector(rest[up : up + down], dim)
    return client, ClientState(uplink, sent, downlink, received, _vector(rest[up + down :], length))


def client_of(data: bytes | memoryview) -> int:
    """Whose state these bytes are, the rest unread.

    Raises:
        WireError: the head is damaged.
    """
    return int(_head(data)[0])


def _head(data: bytes | memoryview) -> tuple[int, ...]:
    start = _HEAD.size + _CHECKSUM.size
    if len(data) < start or zlib.crc32(data[: _HEAD.size]) != _CHECKSUM.unpack_from(data, _HEAD.size)[0]:
        raise WireError("client state: head damaged or cut off")
    return _HEAD.unpack_from(data)


def _vector(data: memoryview, dim: int) -> Tensor | None:
    return vectors.unpack(data, dim) if data else None
