"""The compiled kernels give exactly what the portable ones give, for any number of threads."""

import numpy as np
import pytest

from fedkd_compression.kernels import backend, compiled, portable, use
from fedkd_compression.kernels.compiled import compiler

KEYS = np.array([1, 2**63 + 12345, 2**64 - 1], np.uint64)
DIMS = [0, 1, 63, 64, 65, 16383, 16384, 16385, 40000]
FLOATS = [np.float32, np.float64]


@pytest.fixture(params=[1, 2], ids=["one_thread", "two_threads"])
def _threads(request, monkeypatch):
    """Inputs of any size are shared."""
    monkeypatch.setattr(compiler, "SMALL", 0)
    with compiler.use_threads(request.param):
        yield


many = pytest.mark.usefixtures("_threads")


def _generator():
    return np.random.default_rng(0)


def _rows(dim, dtype, count=3):
    """Heavy-tailed rows, one mostly of zeros and the last of zeros only."""
    rows = (_generator().standard_normal((count, dim)) ** 3).clip(-40, 40)
    rows[1] = np.where(np.arange(dim) % 3, rows[1], 0)
    rows[2:] = 0
    return rows.astype(dtype)


def _equal(one, other):
    """The same type, shape and bits, so that zeros of both signs differ."""
    np.testing.assert_array_equal(one, other, strict=isinstance(one, np.ndarray))
    assert not isinstance(one, np.ndarray) or one.tobytes() == other.tobytes()


def _same(name, *arguments):
    one, other = getattr(compiled, name)(*arguments), getattr(portable, name)(*arguments)
    _equal(one, other)
    return one


def _filled(name, rows, narrow, *arguments):
    """The symbols and the result of a kernel that fills symbols."""
    one, other = (np.empty(rows.shape, narrow) for _ in range(2))
    result = getattr(compiled, name)(rows, *arguments, one)
    _equal(result, getattr(portable, name)(rows, *arguments, other))
    _equal(one, other)
    return one, result


def test_numba_is_the_default_and_use_changes_it_inside_the_block_only():
    assert backend() is compiled
    with use("numpy"):
        assert backend() is portable
    assert backend() is compiled


@many
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("name", ["words", "uniforms", "dither", "bins"])
def test_streams(name, dim):
    assert _same(name, KEYS, dim).shape == (3, dim)


@many
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", [*DIMS, 100_000])
def test_reductions(dim, dtype):
    rows, others = _rows(dim, dtype), _generator().standard_normal((3, dim)).astype(dtype)
    np.testing.assert_allclose(_same("squares", rows), (rows.astype(np.float64) ** 2).sum(1), rtol=1e-12)
    _equal(_same("dots", rows, rows), compiled.squares(rows))
    exact = (rows.astype(np.float64) * others).sum(1)
    np.testing.assert_allclose(_same("dots", rows, others), exact, rtol=1e-9, atol=1e-9)
    _same("peaks", rows)
    assert _same("all_finite", rows)


def test_the_order_of_a_sum_is_the_documented_one():
    dim = 3 * 16384 + 100
    rows = (_generator().standard_normal((1, dim)) * 10.0 ** _generator().integers(-8, 8, dim)).astype(np.float32)
    chunks = []
    for start in range(0, dim, 16384):
        lanes = [0.0] * 64
        for j, x in enumerate(rows[0, start : start + 16384].astype(np.float64)):
            lanes[j % 64] += float(x * x)
        chunks.append(_halved(lanes))
    assert compiled.squares(rows)[0] == portable.squares(rows)[0] == _halved(chunks)


def _halved(sums):
    while len(sums) > 1:
        half = len(sums) // 2
        sums = [low + high for low, high in zip(sums[:half], sums[half:], strict=True)]
    return sums[0]


@many
@pytest.mark.parametrize("dtype", FLOATS)
def test_sums_beyond_the_range_are_infinite_in_both(dtype):
    rows = np.full((3, 20000), np.finfo(dtype).max, dtype)
    assert np.isinf(_same("squares", rows)).all() == (dtype == np.float64)


@many
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_found_anywhere(bad, dtype):
    for place in (0, 63, 64, 999, 16384, 39999):
        rows = _rows(40000, dtype)
        rows[1, place] = bad
        assert not _same("all_finite", rows)


@many
@pytest.mark.parametrize("narrow", [np.int8, np.int32])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", DIMS)
def test_dither(dim, dtype, narrow):
    rows = _rows(dim, dtype)
    steps = np.array([0.7 if narrow is np.int8 else 1e-7, 0.33, 0.0], dtype)
    symbols, received = _filled("dither_encode", rows, narrow, steps, KEYS)
    _equal(_same("dither_decode", symbols, steps, KEYS), received)


@pytest.mark.sampled(5)
@many
@pytest.mark.parametrize("narrow", [np.int8, np.int32])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", DIMS)
def test_levels(dim, dtype, narrow):
    rows, levels = _rows(dim, dtype), 5 if narrow is np.int8 else 1_000_000
    norms = np.abs(rows).max(axis=1, initial=0)
    symbols, _ = _filled("levels_encode", rows, narrow, norms, levels, KEYS)
    assert np.abs(symbols.astype(np.int64)).max(initial=0) <= levels
    _same("levels_decode", symbols, norms, levels)


@pytest.mark.sampled(5)
@many
@pytest.mark.parametrize("narrow", [np.int8, np.int32])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("cells", [0, 1, 4])
@pytest.mark.parametrize("dim", DIMS)
def test_dead_zone(dim, cells, dtype, narrow):
    rows, steps = _rows(dim, dtype), np.array([0.5 if narrow is np.int8 else 1e-6, 0.4, 0.0], dtype)
    symbols, offsets = _filled("dead_zone_encode", rows, narrow, steps, 0.6, cells)
    for row, step, q, means in zip(rows, steps, symbols, offsets, strict=True):
        sizes = (np.abs(row) / (step or dtype(1))).astype(np.float64) - np.abs(q.astype(np.int64))
        for cell, mean in enumerate(means, 1):
            chosen = np.minimum(np.abs(q.astype(np.int64)), cells) == cell
            assert mean == pytest.approx(sizes[chosen].mean() if chosen.any() else 0, rel=1e-9, abs=1e-12)
    restored = _same("dead_zone_decode", symbols, steps, offsets.astype(dtype))
    if narrow is np.int8 and cells:
        np.testing.assert_allclose(restored[:2], rows[:2], atol=0.6 * steps.max())


def test_the_dead_zone_is_the_threshold_and_symbols_without_bounds_decode():
    steps, symbols = np.ones(1, np.float32), np.empty((1, 6), np.int8)
    rows = np.array([[0.59, -0.59, 0.61, -0.61, 1.59, 1.61]], np.float32)
    _filled("dead_zone_encode", rows, np.int8, steps, 0.6, 1)
    compiled.dead_zone_encode(rows, steps, 0.6, 1, symbols)
    assert symbols.tolist() == [[0, 0, 1, -1, 1, 2]]
    extremes = np.array([[-(2**31), 2**31 - 1, 0, -1]], np.int32)
    _same("dead_zone_decode", extremes, steps, np.array([[-0.1, 0.2]], np.float32))


@pytest.mark.sampled(3)
@many
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("block", [1, 2, 4, 8, 16, 32, 64, 128, 1024, 16384, 65536])
def test_hadamard(block, dtype):
    rows = _rows(max(1, 40000 // block) * block, dtype)
    before = rows.copy()
    turned = _same("hadamard", rows, block)
    _equal(rows, before)
    np.testing.assert_allclose(_same("hadamard", turned, block) / block, rows, atol=1e-3)
    assert _same("hadamard", rows[:, :0], block).shape == (3, 0)


def test_hadamard_is_the_matrix_of_signs():
    matrix = np.array([[(-1.0) ** bin(i & j).count("1") for j in range(64)] for i in range(64)])
    np.testing.assert_array_equal(_same("hadamard", np.eye(64), 64), matrix)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 255, 256, 257, 5000])
def test_checksum(size):
    data = _generator().integers(0, 256, size).astype(np.uint8)
    assert _same("checksum", data, 7) != _same("checksum", data, 8)
    if size > 4:
        _same("checksum", data[1:], 7)
        for ahead in (0, 1, 4, 255, 256, 257, 1000):
            some = _generator().integers(0, 256, ahead).astype(np.uint8)
            assert _same("checksum", data[1:], 7, some) == compiled.checksum(np.concatenate((some, data[1:])), 7)


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


@pytest.mark.parametrize("width", range(9))
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
def test_octets_of_fixed_width(count, width):
    values = _generator().integers(0, 256, count).astype(np.uint8)
    packed = _same("pack", values, width)
    np.testing.assert_array_equal(_same("unpack", packed, count, width), values & ((1 << width) - 1))


@pytest.mark.parametrize("count", [0, 1, 5, 1000])
def test_unary(count):
    values = _generator().geometric(0.2, count).astype(np.uint32)
    packed = _same("unary_pack", values)
    np.testing.assert_array_equal(_same("unary_unpack", packed, count), values, strict=True)
    assert compiled.unary_unpack(packed, count + 8) is portable.unary_unpack(packed, count + 8) is None


SIZES = [1, 1000, 32767, 32768, 100_000]
KINDS = {
    "words": lambda size: _generator().integers(0, 2**32, size),
    "few": lambda size: _generator().integers(0, 5, size),
    "zeros": np.zeros,
    "equal": lambda size: np.full(size, 77),
    "sparse": lambda size: _generator().integers(1, 2**30, size) * (_generator().random(size) < 0.005),
    "rising": np.arange,
    "falling": lambda size: 3 * np.arange(size)[::-1],
    "large_where_sampled": lambda size: 1 + 999 * (np.arange(size) % (size // 8192 | 1) == 0),
    "small_where_sampled": lambda size: 1000 - 999 * (np.arange(size) % (size // 8192 | 1) == 0),
}


@pytest.mark.sampled(7)
@many
@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_are_chosen_and_of_equal_ones_the_first(kind, size, dtype):
    values = KINDS[kind](size).astype(dtype) << dtype(0 if dtype is np.uint32 else 31)
    order = np.argsort(-values.astype(np.float64), kind="stable")
    for count in {0, 1, size // 100, size // 9, size // 2, size - 1, size}:
        chosen = _same("largest", values, count)
        np.testing.assert_array_equal(chosen, np.sort(order[:count]))
        assert chosen.dtype == np.int64
