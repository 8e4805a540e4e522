"""What moves between processes: any bytes under right checksums give what they are read as, or WireError.

The first byte of an input chooses the reader: of a parcel's head, a client's state, a lesson, or a worker's sums. The
checksums of the others are made right before they are read.
"""

import struct
import zlib

import torch

from fedkd import vectors
from fedkd.algorithms import Partial
from fedkd.clients import ClientState
from fedkd.clients.packed import pack_state, unpack_state
from fedkd.executors.parcels import FIXED, Kind, Parcel, read_head
from fedkd.tasks import Lesson
from fedkd_compression import ExactSum, Identity, WireError, wire
from fedkd_compression.testing.sealing import SEALED, sealed
from tests.fuzz import sums

_STATE, _LESSON, _CRC = struct.Struct("<IIIIIQQQ"), struct.Struct("<H"), struct.Struct("<I")
_NAMED = bytes((wire.MAGIC, wire.VERSION)), wire.fingerprint(Identity()).to_bytes(2, "little")
_SUM = 8
"""Bytes of a packed sum before what its checksum covers."""


def corpus() -> list[bytes]:
    """Each kind, small and smaller."""
    vector = torch.tensor([0.5, -3.0, 1e30])
    total = ExactSum.zeros(3)
    total.add(vector.clamp(max=9), 0.1)
    heads = [Parcel(Kind.STOP), Parcel(Kind.REPLY, 3, 7, (0.5, float("inf")), (b"abc", b"", bytes(99)))]
    states = [
        ClientState(),
        ClientState(vector, 4),
        ClientState(vector.double(), 3, -vector.double(), 5),
        ClientState(vector, 3, None, 0, torch.arange(5.0)),
    ]
    tables = [torch.arange(6.0).reshape(3, 2), vector[None].bfloat16(), torch.empty(0, 5)]
    packed = [Lesson(table, {"accuracy": 0.5}).pack() for table in tables]
    lessons = [_LESSON.pack(_CRC.unpack_from(data)[0]) + data[2 * _CRC.size :] for data in packed]
    partials = [Partial(total), Partial(total, total), Partial(total, total, total)]
    return [
        *(b"\0" + parcel.head() for parcel in heads),
        *(b"\1" + _without_checksum(pack_state(9, state)) for state in states),
        *(b"\2" + lesson for lesson in lessons),
        *(
            b"\3\3" + bytes((len(part),)) + b"".join(each[_SUM:] for each in part)
            for part in map(Partial.pack, partials)
        ),
    ]


def one_input(data: bytes) -> None:
    """Read one; whatever else than WireError is raised is a fault."""
    if not data:
        return
    try:
        _READERS[data[0] % len(_READERS)](data[1:])
    except WireError:
        return


def largest() -> int:
    """The largest dimension that the longest input has bytes for, or that a sum's receiver expects."""
    return 700


def _head(data: bytes) -> None:
    if len(data) < FIXED:
        read_head(data)
    start, tables = data[: FIXED - _CRC.size], data[FIXED:]
    checksum = zlib.crc32(tables, zlib.crc32(start + bytes(_CRC.size)))
    head = start + _CRC.pack(checksum) + tables
    read = read_head(head)
    assert Parcel(read.kind, read.round, read.client, read.numbers).head()[FIXED:] == tables[: 8 * len(read.numbers)]
    assert len(tables) == 8 * (len(read.numbers) + len(read.sizes))


def _state(data: bytes) -> None:
    head, rest = data[: _STATE.size], data[_STATE.size :]
    if len(head) < _STATE.size:
        unpack_state(data)
    up, down = _STATE.unpack(head)[5:7]
    frames = (_framed(rest[:up]), _framed(rest[up:][:down]), _framed(rest[up:][down:]))
    _, state = unpack_state(head + _CRC.pack(zlib.crc32(head)) + b"".join(frames))
    for vector, frame in zip(state.vectors, frames, strict=True):
        assert (vector is None) is (not frame)
        assert vector is None or vector.numel() * vectors.SHORTEST <= len(frame)


def _lesson(data: bytes) -> None:
    (size,) = _LESSON.unpack_from(data.ljust(_LESSON.size, b"\0"))
    text, frame = data[_LESSON.size :][:size], _framed(data[_LESSON.size :][size:])
    lesson = Lesson.unpack(_CRC.pack(size) + _CRC.pack(zlib.crc32(text)) + text + frame)
    assert lesson.table.ndim == 2
    assert lesson.table.numel() * vectors.SHORTEST <= len(frame)
    assert all(isinstance(value, float) for value in lesson.facts.values())


def _partial(data: bytes) -> None:
    """The first byte is the dimension that the receiver expects, the second the number of sums."""
    dim, count, rest = data[0] if data else 0, data[1] % 4 if len(data) > 1 else 0, data[2:]
    size = -(-len(rest) // max(count, 1))
    packed = [sums.framed(rest[place * size :][:size]) for place in range(count)]
    partial = Partial.unpack(packed, dim, dim)
    assert partial.total.total().shape == (dim,)
    assert list(partial.pack()) == packed


def _framed(data: bytes) -> bytes:
    """A frame of Identity under a right checksum."""
    magic, named = _NAMED
    return sealed(magic + data[2:SEALED] + named + data[SEALED + 2 :]) if len(data) > SEALED + 2 else data


def _without_checksum(state: bytes) -> bytes:
    return state[: _STATE.size] + state[_STATE.size + _CRC.size :]


_READERS = (_head, _state, _lesson, _partial)
