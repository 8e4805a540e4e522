"""Long entropy-coded streams, in lanes and chunks: any bytes give as many symbols as were asked for, or WireError.

The first two bytes of an input say how many symbols are expected beyond the fewest that have four lanes; the others are
the stream.
"""

import numpy as np

from fedkd_compression import WireError
from fedkd_compression.codecs import decode_symbols, encode_symbols

FEWEST = 1 << 13
MOST = FEWEST + (1 << 16) - 1
CONTEXTS = np.arange(MOST, dtype=np.uint8) * 7 % 16


def corpus() -> list[bytes]:
    """Streams of symbols of which nearly all are 0, so that they are short; with and without escapes."""
    found = []
    for count in (FEWEST, 12_001, 40_000, MOST):
        for rare in (1, -2, 500):
            symbols = np.where(np.arange(count) % 997 == 7, rare, 0).astype(np.int32)
            for contexts in (None, lambda count=count: CONTEXTS[:count]):
                found.append((count - FEWEST).to_bytes(2, "little") + encode_symbols(symbols, contexts))
    return found


def one_input(data: bytes) -> None:
    """Decode one; whatever else than WireError is raised is a fault."""
    if len(data) < 3:
        return
    count = FEWEST + int.from_bytes(data[:2], "little")
    try:
        symbols = decode_symbols(np.frombuffer(data, np.uint8, offset=2), count, lambda: CONTEXTS[:count])
    except WireError:
        return
    assert len(symbols) == count


def largest() -> int:
    """The most symbols that are asked for."""
    return MOST
