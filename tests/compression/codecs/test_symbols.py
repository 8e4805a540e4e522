"""The choice among codes: each is the shortest somewhere, and all come back."""

import numpy as np
import pytest

from fedkd_compression import WireError
from fedkd_compression.codecs import decode_symbols, encode_symbols
from fedkd_compression.codecs.symbols import CONSTANT, FIXED, RANS, RICE

EXTREMES = np.array([-(2**31), 2**31 - 1, 0, -1, 1], np.int32)


def _generator():
    return np.random.default_rng(2)


def _geometric(count):
    signs = np.where(_generator().random(count) < 0.5, -1, 1)
    return ((_generator().geometric(0.02, count) - 1) * signs).astype(np.int32)


STREAMS = {
    "constant": (np.full(10_000, -7, np.int32), CONSTANT, 2),
    "huge constant": (np.full(9, 2**31 - 1, np.int32), CONSTANT, 6),
    "few": (np.array([3, 0, -2, 1], np.int32), None, 8),
    "signs": (np.where(_generator().random(40) < 0.5, -1, 1).astype(np.int32), None, 15),
    "uniform": (_generator().integers(0, 2**20, 500).astype(np.int32), FIXED, 1260),
    "extremes": (EXTREMES, None, 30),
    "short geometric": (_geometric(100), RICE, 110),
    "long normal": (np.rint(_generator().normal(0, 3, 50_000)).astype(np.int32), RANS, 23_000),
    "nearly constant": (np.where(np.arange(100_000) % 5000 == 0, 1, 0).astype(np.int32), RANS, 80),
}


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("name", STREAMS)
def test_streams_come_back_from_the_code_that_is_shortest(name, narrow):
    symbols, code, most = STREAMS[name]
    if narrow:
        symbols = symbols.clip(-127, 127).astype(np.int8)
        code = None
    coded = encode_symbols(symbols, None)
    assert len(coded) <= most
    assert code is None or coded[0] == code
    decoded = decode_symbols(np.frombuffer(coded, np.uint8), len(symbols), None)
    assert np.array_equal(decoded, symbols)


def test_no_symbols_are_no_bytes():
    assert encode_symbols(np.empty(0, np.int32), None) == b""
    assert len(decode_symbols(np.empty(0, np.uint8), 0, None)) == 0


@pytest.mark.parametrize("name", STREAMS)
def test_every_truncation_is_refused(name):
    symbols, _, _ = STREAMS[name]
    coded = np.frombuffer(encode_symbols(symbols, None), np.uint8)
    for end in range(0, len(coded), max(1, len(coded) // 50)):
        with pytest.raises(WireError):
            decode_symbols(coded[:end], len(symbols), None)


def test_an_unknown_code_is_refused():
    with pytest.raises(WireError, match="unknown code"):
        decode_symbols(np.array([9, 0], np.uint8), 3, None)
