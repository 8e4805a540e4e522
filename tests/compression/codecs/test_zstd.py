"""Zstandard: only where it was asked for, only where it pays, and never more memory than the symbols need."""

import numpy as np
import pytest

from fedkd_compression import OperatorError, WireError
from fedkd_compression.codecs import decode_symbols, encode_symbols, zstd
from fedkd_compression.codecs.choice import ZSTD
from tests.compression.codecs.samples import rounded

needed = pytest.mark.skipif(not zstd.available(), reason="no Zstandard here")


def _structured(count, scale=1):
    """A long pattern, again and again: entropy coding of single symbols cannot see it."""
    return np.resize(scale * rounded(997, 3.0), count).astype(np.int32)


def test_it_is_never_taken_unasked():
    assert encode_symbols(_structured(50_000), None)[0] != ZSTD


@needed
@pytest.mark.parametrize("scale", [1, 1000, 10**7])
def test_structured_symbols_come_back_from_few_bytes(scale):
    symbols = _structured(50_000, scale)
    coded = encode_symbols(symbols, None, zstd=True)
    assert coded[0] == ZSTD
    assert len(coded) < len(encode_symbols(symbols, None)) / 4
    decoded = decode_symbols(np.frombuffer(coded, np.uint8), len(symbols), None)
    assert np.array_equal(decoded, symbols)


@needed
def test_structure_is_found_where_it_is_rare():
    """Nine blocks of ten are zeros: a table for all symbols cannot say so."""
    generator = np.random.default_rng(1)
    symbols = rounded(1 << 19, 3.0) * np.repeat(generator.random(128) < 0.1, 4096)
    coded = encode_symbols(symbols, None, zstd=True)
    assert coded[0] == ZSTD
    assert len(coded) < 0.75 * len(encode_symbols(symbols, None))


@needed
def test_it_is_not_taken_where_symbols_are_independent_or_few():
    for symbols in (rounded(50_000, 3.0), _structured(2000)):
        assert encode_symbols(symbols, None, zstd=True) == encode_symbols(symbols, None)


@needed
def test_a_frame_that_holds_more_or_less_is_refused():
    coded = np.frombuffer(encode_symbols(np.zeros(10**6, np.int32) + _structured(10**6), None, zstd=True), np.uint8)
    for count in (1, 1000, 10**6 - 1, 10**6 + 1, 2 * 10**6):
        with pytest.raises(WireError):
            decode_symbols(coded, count, None)


@needed
def test_any_bytes_give_symbols_or_wire_error():
    coded = np.frombuffer(encode_symbols(_structured(20_000), None, zstd=True), np.uint8)
    generator = np.random.default_rng(0)
    for end in range(0, len(coded), max(1, len(coded) // 100)):
        damaged = coded.copy()
        damaged[1 + generator.integers(0, len(coded) - 1, 3)] = generator.integers(0, 256, 3)
        for trial in (coded[:end], damaged):
            try:
                assert len(decode_symbols(trial, 20_000, None)) == 20_000
            except WireError:
                continue


@pytest.mark.parametrize("data", [[], [3], [0, 1, 2]])
def test_a_width_that_nobody_writes_is_refused(data):
    with pytest.raises(WireError, match="valid width"):
        decode_symbols(np.array([ZSTD, *data], np.uint8), 5, None)


def test_both_ends_say_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(zstd, "_module", lambda: None)
    assert not zstd.available()
    with pytest.raises(WireError, match="pip install zstandard"):
        decode_symbols(np.array([ZSTD, 1, 0, 0], np.uint8), 5, None)
    with pytest.raises(OperatorError, match="pip install zstandard"):
        encode_symbols(_structured(50_000), None, zstd=True)
