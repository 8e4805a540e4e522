"""The compiled kernels give exactly what the portable ones give."""

import numpy as np
import pytest

from fedkd_compression.kernels import backend, compiled, portable, use

KEYS = np.array([1, 2**63 + 12345], np.uint64)
DIMS = [0, 1, 2, 63, 64, 65, 1000, 4099]
FLOATS = [np.float32, np.float64]


def _generator():
    return np.random.default_rng(0)


def _rows(dim, dtype):
    rows = _generator().standard_normal((2, dim)) ** 3
    rows[1] = np.where(np.arange(dim) % 3, rows[1], 0)
    return rows.astype(dtype)


def _same(name, *arguments):
    one, other = getattr(compiled, name)(*arguments), getattr(portable, name)(*arguments)
    np.testing.assert_array_equal(one, other, strict=isinstance(one, np.ndarray))
    return one


def test_numba_is_the_default_and_use_changes_it_inside_the_block_only():
    assert backend() is compiled
    with use("numpy"):
        assert backend() is portable
    assert backend() is compiled


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("name", ["words", "uniforms", "dither", "bins"])
def test_streams(name, dim):
    _same(name, KEYS, dim)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", DIMS)
def test_reductions(dim, dtype):
    rows = _rows(dim, dtype)
    np.testing.assert_allclose(_same("squares", rows), (rows.astype(np.float64) ** 2).sum(1), rtol=1e-12)
    _same("peaks", rows)
    assert _same("all_finite", rows)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_found_anywhere(bad, dtype):
    for place in (0, 63, 64, 999):
        rows = _rows(1000, dtype)
        rows[1, place] = bad
        assert not _same("all_finite", rows)


@pytest.mark.parametrize("narrow", [np.int8, np.int32])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", DIMS)
def test_dither(dim, dtype, narrow):
    rows, steps = _rows(dim, dtype), np.array([0.7, 0.0], dtype)
    one, other = (np.empty((2, dim), narrow) for _ in range(2))
    received = compiled.dither_encode(rows, steps, KEYS, one)
    np.testing.assert_array_equal(received, portable.dither_encode(rows, steps, KEYS, other), strict=True)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(_same("dither_decode", one, steps, KEYS), received, strict=True)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", DIMS)
def test_levels(dim, dtype):
    rows = _rows(dim, dtype)
    norms = np.array([np.abs(rows[0]).max(initial=1), 0], dtype)
    rows[1] = 0
    one, other = (np.empty((2, dim), np.int32) for _ in range(2))
    compiled.levels_encode(rows, norms, 5, KEYS, one)
    portable.levels_encode(rows, norms, 5, KEYS, other)
    np.testing.assert_array_equal(one, other)
    _same("levels_decode", one, norms, 5)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 255, 256, 257, 5000])
def test_checksum(size):
    data = _generator().integers(0, 256, size).astype(np.uint8)
    assert _same("checksum", data, 7) != _same("checksum", data, 8)
    if size > 4:
        _same("checksum", data[1:], 7)


def test_the_checksum_sees_every_bit_and_the_length():
    data = _generator().integers(0, 256, 300).astype(np.uint8)
    seen = {compiled.checksum(data, 0)}
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        seen.add(compiled.checksum(data, 0))
        data[bit // 8] ^= 1 << bit % 8
    seen |= {compiled.checksum(np.zeros(size, np.uint8), 0) for size in range(600)}
    assert len(seen) == 1 + 8 * 300 + 600


@pytest.mark.parametrize("width", [0, 1, 3, 8, 17, 31, 32])
@pytest.mark.parametrize("count", [0, 1, 5, 1000])
def test_fixed_width(count, width):
    values = _generator().integers(0, 1 << width, count).astype(np.uint32)
    packed = _same("pack", values, width)
    assert len(packed) == (count * width + 7) // 8
    np.testing.assert_array_equal(_same("unpack", packed, count, width), values, strict=True)


@pytest.mark.parametrize("count", [0, 1, 5, 1000])
def test_unary(count):
    values = _generator().geometric(0.2, count).astype(np.uint32)
    packed = _same("unary_pack", values)
    np.testing.assert_array_equal(_same("unary_unpack", packed, count), values, strict=True)
    assert compiled.unary_unpack(packed, count + 8) is portable.unary_unpack(packed, count + 8) is None


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
@pytest.mark.parametrize("count", [0, 1, 7, 999, 1000])
def test_the_largest_are_chosen_and_of_equal_ones_the_first(count, dtype):
    values = _generator().integers(0, 50, 1000).astype(dtype) << dtype(20)
    chosen = _same("largest", values, count)
    expected = np.sort(np.argsort(-values.astype(np.int64), kind="stable")[:count])
    np.testing.assert_array_equal(chosen, expected)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("dtype", [np.int8, np.int32])
def test_counts(dtype, shared):
    symbols = np.rint(_generator().normal(0, 60, 5000)).clip(-128, 127).astype(dtype)
    contexts = _generator().integers(0, 16, 5000 if shared else 0).astype(np.uint8)
    counts = _same("count", symbols, contexts)
    assert counts.sum() == 5000
    assert counts[:, 127].sum() == (symbols == 0).sum()
    assert counts[:, -1].sum() == (np.abs(symbols.astype(int)) > 127).sum()
