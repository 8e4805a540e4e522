"""Lengths without bytes are the lengths of the bytes: for every code that can be the shortest."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from fedkd_compression import Key, kernels
from fedkd_compression.codecs import StaticModel, encode_symbols, symbol_lengths
from fedkd_compression.codecs.choice import CONSTANT, FIXED, NAMED, NAMED_ESCAPES, RICE, TABLES

ROWS = 4


def drawn(trial: int, dim: int) -> np.ndarray:
    """Symbols of many shapes: normal, heavy-tailed, sparse, constant, uniform."""
    random = np.random.default_rng((trial, dim))
    scale = np.exp(random.uniform(-2, 3))
    kinds = (
        lambda: random.standard_normal((ROWS, dim)) * scale,
        lambda: random.standard_cauchy((ROWS, dim)) * scale * 0.3,
        lambda: np.where(random.random((ROWS, dim)) < 0.9, 0, random.standard_normal((ROWS, dim)) * scale),
        lambda: np.full((ROWS, dim), trial % 3 - 1),
        lambda: random.integers(-3, 4, (ROWS, dim)),
    )
    return np.clip(np.round(kinds[trial % len(kinds)]()), -127, 127).astype(np.int8)


def contexts(trial: int, dim: int, kind: int) -> np.ndarray:
    """None, the dither's sixteen, or QSGD's eight."""
    bins = kernels.on("cpu").bins(Key.of(trial).spread(ROWS).array(), dim).numpy()
    return bins[:, :0] if kind == 0 else np.ascontiguousarray(bins >> (kind - 1))


def coded(symbols: np.ndarray, known: np.ndarray) -> list[bytes]:
    if not known.shape[1]:
        return [encode_symbols(row, None) for row in symbols]
    return [encode_symbols(row, partial(known.__getitem__, place)) for place, row in enumerate(symbols)]


@pytest.mark.parametrize("dim", [1, 2, 20, 124, 1000])
def test_lengths_are_those_of_the_bytes(dim: int) -> None:
    for trial in range(25):
        for kind in range(3):
            symbols, known = drawn(trial, dim), contexts(trial, dim, kind)
            expected = [len(code) for code in coded(symbols, known)]
            assert symbol_lengths(symbols, known).tolist() == expected, (trial, kind)


def test_every_code_is_the_shortest_of_some_symbols() -> None:
    shapes = [(trial, dim, kind) for trial in range(25) for dim in (3, 60, 1000) for kind in (0, 1)]
    used = {code[0] for trial, dim, kind in shapes for code in coded(drawn(trial, dim), contexts(trial, dim, kind))}
    assert {CONSTANT, FIXED, RICE, TABLES, NAMED_ESCAPES} <= used
    assert any(code >= NAMED for code in used)


@pytest.mark.parametrize("dim", [5, 9000])
def test_wide_symbols_and_long_rows_are_coded_for_it(dim: int) -> None:
    symbols = (drawn(1, dim).astype(np.int32)) * 40
    known = contexts(1, dim, 1)
    assert symbol_lengths(symbols, known).tolist() == [len(code) for code in coded(symbols, known)]


def test_a_shared_model_is_used() -> None:
    symbols = drawn(0, 300)
    model = StaticModel.fit(symbols.reshape(-1))
    expected = [len(encode_symbols(row, None, model)) for row in symbols]
    assert symbol_lengths(symbols, contexts(0, 300, 0), model).tolist() == expected


def test_without_compiled_kernels_they_are_the_same() -> None:
    symbols, known = drawn(0, 50), contexts(0, 50, 1)
    with kernels.use("numpy"):
        plain = symbol_lengths(symbols, known)
    assert plain.tolist() == symbol_lengths(symbols, known).tolist()


def test_no_symbols_take_no_bytes() -> None:
    assert symbol_lengths(np.empty((2, 0), np.int8), np.empty((2, 0), np.uint8)).tolist() == [0, 0]
