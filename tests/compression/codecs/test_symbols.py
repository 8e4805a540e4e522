"""The choice among codes: each is the shortest somewhere, and all come back."""

import numpy as np
import pytest

from fedkd_compression import WireError
from fedkd_compression.codecs import decode_symbols, encode_symbols
from fedkd_compression.codecs.choice import CONSTANT, FIXED, NAMED, NAMED_ESCAPES, TABLES, ZSTD

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
    "short geometric": (_geometric(100), None, 110),
    "long normal": (np.rint(_generator().normal(0, 3, 50_000)).astype(np.int32), None, 22_800),
    "nearly constant": (np.where(np.arange(100_000) % 5000 == 0, 1, 0).astype(np.int32), TABLES, 70),
    "two humps": (
        np.where(_generator().random(5000) < 0.5, -9, 9).astype(np.int32) + _geometric(5000) % 3,
        TABLES,
        1700,
    ),
    "small and huge": (np.where(np.arange(300) % 90 == 0, 2**30, np.arange(300) % 3).astype(np.int32), None, 100),
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


def test_symbols_that_fit_come_back_narrow_with_escapes_among_them():
    symbols = np.rint(_generator().normal(0, 0.7, 600)).astype(np.int8)
    for outlier, kind in ((100, np.int8), (-128, np.int8), (200, np.int32)):
        wide = symbols.astype(np.int32)
        wide[7] = outlier
        coded = encode_symbols(wide, None)
        assert coded[0] == NAMED_ESCAPES
        decoded = decode_symbols(np.frombuffer(coded, np.uint8), 600, None)
        assert np.array_equal(decoded, wide)
        assert decoded.dtype == kind


@pytest.mark.parametrize("code", [ZSTD + 1, NAMED - 1])
def test_an_unknown_code_is_refused(code):
    with pytest.raises(WireError, match="unknown code"):
        decode_symbols(np.array([code, 0], np.uint8), 3, None)
    with pytest.raises(WireError, match="missing"):
        decode_symbols(np.empty(0, np.uint8), 3, None)


@pytest.mark.parametrize("body", [[], [240], [255, 0]])
def test_parametric_tables_without_a_name_are_refused(body):
    with pytest.raises(WireError, match="valid name"):
        decode_symbols(np.array([NAMED_ESCAPES, *body], np.uint8), 3, None)
