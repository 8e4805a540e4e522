"""The entropy-coded stream: rANS words in chunks, for tables that both ends have.

Fewer than 2^13 symbols are one lane. Layout: its state, in 4 bytes where the whole has an even number of bytes, in 3
where it has an odd one, or in all where there are fewer than 4 | words 2 each.

More are chunks of four lanes, of at most 2^15 symbols and equally long but for the last, each decodable alone; or one
chunk, where the tables say so. Layout: number of words of each chunk but the last varint | states 4 each | words 2
each. Numbers are little endian.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.codecs import varint
from fedkd_compression.codecs.logarithms import BIT
from fedkd_compression.errors import WireError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.arrays import Counts, Halves, Octets, Words
    from fedkd_compression.codecs.tables import Tables

    Part = bytes | memoryview

CHUNK = 1 << 15
_ONE_LANE = 1 << 13
_LANES = 4
_STATE, _WORD = 4, 2
_CHUNK_BYTES = 14.0
"""What the four states and the number of words of a chunk add: a state holds about 8 bits of the message in its 32."""
_NONE = np.empty(0, np.uint8)


def layout(count: int, whole: bool = False) -> tuple[int, int]:
    """Lanes, and symbols of a chunk, for ``count`` > 0 symbols, that are to be ``whole`` or in chunks."""
    if count < _ONE_LANE:
        return 1, count
    chunks = 1 if whole else -(-count // CHUNK)
    return _LANES, -(-count // (chunks * _LANES)) * _LANES


def better_whole(cost: int, count: int) -> bool:
    """Whether so little is to be said, in units of 1/BIT bits, that chunks would add more than a twenty-fifth."""
    return size(cost, count) > 1.04 * size(cost, count, whole=True)


def size(cost: int, count: int, whole: bool = False) -> float:
    """Estimated bytes of ``count`` symbols whose cost in units of 1/BIT bits is given."""
    lanes, chunk = layout(count, whole)
    return cost / (8 * BIT) + (1.0 if lanes == 1 else _CHUNK_BYTES * -(-count // chunk))


def put(symbols: NDArray[np.int8], contexts: Octets, tables: Tables, whole: bool = False) -> bytes:
    """Code symbols [m], m > 0, with their contexts [m], which only mirrored tables need."""
    return b"".join(parts(symbols, contexts, tables, whole))


def parts(symbols: NDArray[np.int8], contexts: Octets, tables: Tables, whole: bool = False) -> list[Part]:
    """The same in parts, which together with what precedes them are copied once."""
    lanes, chunk = layout(len(symbols), whole)
    shared = contexts if tables.mirrored else _NONE
    states, sizes, words = kernels.backend().rans_encode(symbols, shared, tables.entries, lanes, chunk)
    coded = words.astype("<u2", copy=False).view(np.uint8).data
    if lanes > 1:
        head = b"".join(map(varint.put, sizes[:-1].tolist()))
        return [head, states.astype("<u4", copy=False).tobytes(), coded]
    state = int(states[0, 0])
    width = max((state.bit_length() + 7) // 8, 3 if len(words) else 1)
    return [state.to_bytes(width, "little"), coded]


def take(data: Octets, count: int, contexts: Octets, tables: Tables, whole: bool = False) -> NDArray[np.int8]:
    """Read ``count`` > 0 symbols, int8 [count], -128 for escapes.

    Raises:
        WireError: the stream is not one of ``count`` symbols, or the contexts are missing.
    """
    shared = contexts if tables.mirrored else _NONE
    if tables.mirrored and len(shared) != count:
        raise WireError(f"frame: {count} symbols need contexts that the operator does not have")
    lanes, chunk = layout(count, whole)
    states, sizes, words = _one(data) if lanes == 1 else _many(data, -(-count // chunk))
    out = np.empty(count, np.int8)
    if not kernels.backend().rans_decode(words, sizes, states, *tables.slots, shared, chunk, out):
        raise WireError(f"frame: an entropy-coded stream does not end after {count} symbols")
    return out


def _one(data: Octets) -> tuple[Words, Counts, Halves]:
    """State, number of words and words of one lane."""
    width = len(data) if len(data) < _STATE else _STATE - len(data) % _WORD
    state = int.from_bytes(data[:width].tobytes(), "little")
    return np.array([[state]], np.uint32), np.array([(len(data) - width) // _WORD]), _words(data[width:])


def _many(data: Octets, chunks: int) -> tuple[Words, Counts, Halves]:
    """States, numbers of words and words of chunks of four lanes."""
    sizes, at = np.zeros(chunks, np.int64), 0
    for i in range(chunks - 1):
        sizes[i], at = varint.take(data, at)
    end = at + chunks * _LANES * _STATE
    left = (len(data) - end) // _WORD - sum(sizes.tolist())
    if end > len(data) or (len(data) - end) % _WORD or left < 0:
        raise WireError("frame: an entropy-coded stream is cut off")
    sizes[-1] = left
    states = data[at:end].copy().view("<u4").astype(np.uint32, copy=False)
    return states.reshape(chunks, _LANES), sizes, _words(data[end:])


def _words(data: Octets) -> Halves:
    """The words, and four more."""
    padded = np.zeros(len(data) + _LANES * _WORD, np.uint8)
    padded[: len(data)] = data
    return padded.view("<u2").astype(np.uint16, copy=False)
