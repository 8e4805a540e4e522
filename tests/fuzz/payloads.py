"""The payload of each codec: any bytes give as many numbers as were asked for, within their range, or WireError.

The first byte of an input chooses the codec, the next two how many numbers are expected; the others are the payload.
"""

import numpy as np

from fedkd_compression import WireError, wire
from fedkd_compression.body import Unread
from fedkd_compression.codecs import StaticModel, decode_positions, decode_symbols, encode_symbols, rice, varint
from tests.fuzz.frames import GOLDEN

MOST = 700
WITHIN = 1000
"""Positions are expected below it."""
CONTEXTS = np.arange(MOST, dtype=np.uint8) * 7 % 16
SAMPLE = np.array([0, 0, 0, 0, 1, -1, 0, 2, 0, -1, 1, 300], np.int32)
ALIKE = StaticModel.fit(SAMPLE)
DEPENDENT = StaticModel.fit(np.tile(SAMPLE, 40), CONTEXTS[: 40 * len(SAMPLE)])


def _symbols(data, count):
    assert len(decode_symbols(data, count, None)) == count


def _symbols_with_contexts(data, count):
    assert len(decode_symbols(data, count, lambda: CONTEXTS[:count])) == count


def _symbols_of_a_model(data, count):
    assert len(decode_symbols(data, count, None, ALIKE)) == count


def _symbols_of_a_model_with_contexts(data, count):
    assert len(decode_symbols(data, count, lambda: CONTEXTS[:count], DEPENDENT)) == count


def _positions(data, count):
    found = decode_positions(data, count, WITHIN)
    assert len(found) == count
    assert (np.diff(found, prepend=-1) > 0).all()
    assert not count or found[-1] < WITHIN


def _rice(data, count):
    found, used = rice.decode(data, count)
    assert found.dtype == np.uint32
    assert len(found) == count
    assert 1 <= used <= len(data)


def _varint(data, count):
    number, at = varint.take(data, count)
    assert number < 1 << 63
    assert count < at <= len(data)


CODECS = (
    _symbols,
    _symbols_with_contexts,
    _symbols_of_a_model,
    _symbols_of_a_model_with_contexts,
    _positions,
    _rice,
    _varint,
)
_OF_SYMBOLS, _OF_POSITIONS = (0, 1), (4, 5)


def corpus() -> list[bytes]:
    """The streams of the golden frames, for each codec that may read them, and streams of the models."""
    found = [_input(kind, part.count, part.data.tobytes()) for kinds, part in _golden() for kind in kinds]
    for count in (5, 60, 480):
        symbols = np.resize(SAMPLE, count)
        found.append(_input(2, count, encode_symbols(symbols, None, ALIKE)))
        found.append(_input(3, count, encode_symbols(symbols, lambda count=count: CONTEXTS[:count], DEPENDENT)))
    return found


def one_input(data: bytes) -> None:
    """Decode one; whatever else than WireError is raised is a fault."""
    if len(data) < 3:
        return
    count = int.from_bytes(data[1:3], "little") % (MOST + 1)
    try:
        CODECS[data[0] % len(CODECS)](np.frombuffer(data, np.uint8, offset=3), count)
    except WireError:
        return


def largest() -> int:
    """The most numbers that are asked for."""
    return MOST


def _input(kind, count, data):
    return bytes((kind,)) + count.to_bytes(2, "little") + data


def _golden():
    for frame in GOLDEN.values():
        yield from _streams(wire.unpack(frame).body)


def _streams(body):
    if body.symbols is not None:
        yield _OF_SYMBOLS, body.symbols
    if body.positions is not None:
        yield _OF_POSITIONS, body.positions
    for child in body.children.read() if isinstance(body.children, Unread) else body.children:
        yield from _streams(child)
