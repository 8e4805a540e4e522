"""The entropy coder's tables: any bytes give tables that decode what they encode, or are refused.

The first byte of an input chooses how fine the tables are, or the text of a model instead; the others are the bytes.
"""

from base64 import urlsafe_b64encode

import numpy as np

from fedkd_compression import OperatorError, WireError
from fedkd_compression.codecs import StaticModel, escapes, histogram, stream
from fedkd_compression.codecs.tables import precision_of
from fedkd_compression.kernels.portable.counts import CONTEXTS, OTHERS

COUNT = 24
STEPS = (2, 4, 8, 16)
_MODEL, _ESCAPES = 5, 6
_KINDS = 7


def corpus() -> list[bytes]:
    """Histograms of geometric counts of every shape, a model, and escapes."""
    found = []
    for i, steps in enumerate(STEPS):
        for width in (1, 2, 5, 30):
            for rows in (1, 8):
                own = np.zeros((rows, 256), np.int64)
                own[:, np.arange(width) - width // 2] = (1000 * 0.5 ** np.arange(width)).astype(np.int64) + 1
                own[:, OTHERS] = width % 2
                best = histogram.best(own + np.arange(rows)[:, None] * (own > 0), steps)
                found.append(bytes((i,)) + best.histogram.put(best.k) + b"\x80" * COUNT)
    found.append(bytes((_MODEL,)) + StaticModel.fit(np.array([0, 1, -1, 0], np.int32)).text.encode())
    return [*found, bytes((_ESCAPES, 3, 2)) + b"\x17\x3f"]


def one_input(data: bytes) -> None:
    """Read one, then code with it; whatever else than a refusal is a fault."""
    if len(data) < 2:
        return
    kind, octets = data[0] % _KINDS, np.frombuffer(data, np.uint8, offset=1)
    try:
        if kind == _ESCAPES:
            values, used = escapes.take(octets, COUNT)
            assert len(values) <= COUNT
            assert used <= len(octets)
            return
        tables, left = _read(kind, octets)
    except (OperatorError, WireError):
        return
    assert (tables.frequencies.sum(axis=1) == 1 << precision_of(tables.mirrored)).all()
    assert tables.frequencies.min() >= 0
    _coded_and_back(tables, left)


def largest() -> int:
    """The most numbers that are read: frequencies of eight tables."""
    return 8 * 256


def _read(kind, octets):
    """Tables of a histogram, or of a model's text, and the bytes that are left."""
    if kind < len(STEPS):
        found, used, _ = histogram.take(octets, STEPS[kind])
        return found.tables(), octets[used:]
    plain = octets.tobytes()
    text = plain.decode("latin1") if kind == _MODEL else urlsafe_b64encode(plain).decode().rstrip("=")
    return StaticModel(text).tables, octets


def _coded_and_back(tables, octets):
    """Symbols that have a frequency come back from what they are coded to."""
    contexts = (np.resize(octets, COUNT) if len(octets) else np.zeros(COUNT, np.uint8)).astype(np.uint8) % CONTEXTS
    covered = tables.covered
    chosen = [_chosen(covered[context if tables.mirrored else 0], place) for place, context in enumerate(contexts)]
    if None in chosen:
        return
    symbols = np.array(chosen, np.uint8).view(np.int8)
    coded = stream.put(symbols, contexts, tables)
    assert np.array_equal(stream.take(np.frombuffer(coded, np.uint8), COUNT, contexts, tables), symbols)


def _chosen(row, place):
    """A cell that has a frequency of its own, another one at each place; None where there is none."""
    cells = np.flatnonzero(row)
    return int(cells[place % len(cells)]) if len(cells) else None
