"""The kernels in tensor operations give exactly what the portable ones give, on every device that there is."""

import numpy as np
import pytest
import torch

from fedkd_compression.errors import OperatorError
from fedkd_compression.kernels import available, compiled, on, portable, use
from fedkd_compression.kernels.interface import Backend
from fedkd_compression.kernels.rows import Host, RowKernels
from fedkd_compression.kernels.tensors import Tensors, coder

KEYS = np.array([1, 2**63 + 12345, 2**64 - 1], np.uint64)
DIMS = [0, 1, 63, 64, 65, 1000, 16385, 40000]
FLOATS = [torch.float32, torch.float64]
REFERENCE = Host(portable)


@pytest.fixture(params=["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def place(request):
    return request.param


def rows_of(dim, dtype):
    """Three rows: heavy-tailed, mostly zeros, zeros."""
    generator = torch.Generator().manual_seed(dim)
    rows = torch.randn(3, dim, generator=generator, dtype=torch.float64).pow(3).clamp(-80, 80)
    rows[1, torch.arange(dim) % 3 > 0] = 0
    rows[2] = 0
    return rows.to(dtype)


def there(argument, place):
    return argument.to(place) if isinstance(argument, torch.Tensor) else argument


def bits(values):
    """A tensor as its bytes, so that zeros of both signs differ."""
    return values.cpu().contiguous().numpy().tobytes()


def same(place, name, *arguments):
    """The reference's result, after a look that the other's is the same in place, dtype, shape and bits."""
    expected = getattr(REFERENCE, name)(*arguments)
    found = getattr(Tensors(place), name)(*(there(argument, place) for argument in arguments))
    if isinstance(expected, bool):
        assert found is expected
        return expected
    pairs = zip(*((value if isinstance(value, tuple) else (value,)) for value in (found, expected)), strict=True)
    for one, other in pairs:
        assert one.device.type == place
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert bits(one) == bits(other), f"{name} differs from the portable kernel"
    return expected


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("name", ["uniforms", "dither", "bins"])
def test_streams(place, name, dim):
    assert same(place, name, KEYS, dim).shape == (3, dim)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", DIMS)
def test_reductions(place, dim, dtype):
    rows = rows_of(dim, dtype)
    torch.testing.assert_close(same(place, "squares", rows), rows.double().square().sum(1), rtol=1e-12, atol=0)
    same(place, "dots", rows, rows.flip(0) + 1)
    same(place, "peaks", rows)
    assert same(place, "all_finite", rows)


def test_sums_keep_their_order(place):
    """Large terms of both signs: another order of addition would give another sum."""
    rows = rows_of(40000, torch.float64) * torch.logspace(-9, 9, 40000, dtype=torch.float64)
    other = rows.sign() * torch.where(torch.arange(40000) % 2 == 0, 1.0, -1.0)
    total = same(place, "dots", rows, other)
    assert (total != (rows * other).flip(1).cumsum(1)[:, -1])[0]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_one_value_that_is_not_finite_is_found_anywhere(place, bad, dtype):
    for at in (0, 63, 64, 999):
        rows = rows_of(1000, dtype)
        rows[1, at] = bad
        assert not same(place, "all_finite", rows)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", DIMS)
def test_the_largest_are_chosen_and_of_equal_ones_the_first(place, dim, dtype):
    rows = (2 * rows_of(dim, dtype)).round()
    for count in sorted({0, min(1, dim), dim // 100, dim // 3, dim - dim // 3, max(dim - 1, 0), dim}):
        chosen = same(place, "largest", rows, count)
        expected = rows.abs().sort(stable=True, dim=1, descending=True).indices[:, :count].sort(1).values
        assert torch.equal(chosen, expected)
        same(place, "drawn", KEYS, dim, count)


@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", DIMS)
def test_dither(place, dim, dtype, narrow):
    rows, steps = rows_of(dim, dtype), torch.tensor([0.9, 0.7 if narrow else 0.007, 0.0], dtype=dtype)
    symbols, received = same(place, "dither_encode", rows, steps, KEYS, narrow)
    assert symbols.dtype == (torch.int8 if narrow else torch.int32)
    assert torch.equal(same(place, "dither_decode", symbols, steps, KEYS), received)


@pytest.mark.parametrize("levels", [1, 5, 126, 127, 1 << 20])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", DIMS)
def test_levels(place, dim, dtype, levels):
    rows = rows_of(dim, dtype)
    norms = REFERENCE.peaks(rows).to(dtype)
    symbols = same(place, "levels_encode", rows, norms, levels, KEYS)
    assert symbols.dtype == (torch.int8 if levels < 127 else torch.int32)
    same(place, "levels_decode", symbols, norms, levels)


@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", DIMS)
def test_dead_zone(place, dim, dtype, narrow):
    rows, steps = rows_of(dim, dtype), torch.tensor([0.9, 0.7 if narrow else 0.007, 0.0], dtype=dtype)
    for cells in (0, 1, 3):
        symbols, offsets = same(place, "dead_zone_encode", rows, steps, 0.6, cells, narrow)
        same(place, "dead_zone_decode", symbols, steps, offsets)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("block", [1, 2, 64, 4096])
def test_hadamard(place, block, dtype):
    for blocks in (0, 1, 3):
        rows = rows_of(blocks * block, dtype)
        before = rows.clone()
        turned = same(place, "hadamard", rows, block)
        torch.testing.assert_close(REFERENCE.hadamard(turned, block) / block, rows, rtol=1e-4, atol=1e-3)
        assert torch.equal(rows, before)


def test_no_rows_at_all(place):
    empty, none = torch.empty(0, 64), torch.empty(0)
    keys = np.empty(0, np.uint64)
    for name in ("squares", "peaks", "all_finite"):
        same(place, name, empty)
    assert Tensors(place).largest(empty.to(place), 3).shape == Tensors(place).drawn(keys, 64, 3).shape == (0, 3)
    same(place, "dither_encode", empty, none, keys, True)
    same(place, "levels_encode", empty, none, 4, keys)
    same(place, "hadamard", empty, 64)
    same(place, "dead_zone_encode", empty, none, 0.6, 2, True)


def test_it_is_used_where_it_is_asked_for(place):
    with use("torch"):
        assert type(on(place)) is Tensors


def test_a_set_that_is_not_installed_is_refused():
    with pytest.raises(OperatorError, match="is not installed; choose one of numba, numpy, torch"), use("fortran"):
        pass
    assert available()[:3] == ("numba", "numpy", "torch")


def functions_of(protocol):
    return {name for name in vars(protocol) if not name.startswith("_")}


def test_every_set_has_every_function():
    for module in (compiled, portable, coder):
        assert not {name for name in functions_of(Backend) if not callable(getattr(module, name, None))}
    for kernels in (REFERENCE, Tensors("cpu")):
        assert not {name for name in functions_of(RowKernels) if not callable(getattr(kernels, name, None))}


LAYOUTS = [(1, 1, 1), (700, 1, 700), (1, 4, 4), (7, 4, 8), (1000, 4, 252), (2001, 8, 1008)]
"""Symbols, lanes, and symbols of a chunk."""


def coded(count, lanes, chunk, shared):
    """Symbols, their contexts, the decoder's tables, and the portable kernel's states, sizes and words."""
    generator = np.random.default_rng(count)
    symbols = np.rint(generator.normal(0, 3, count)).clip(-20, 20).astype(np.int8)
    contexts = generator.integers(0, 16, count if shared else 0).astype(np.uint8)
    weights = np.zeros((8 if shared else 1, 256), np.int64)
    weights[:, np.arange(-20, 21)] = generator.integers(1, 50, (len(weights), 41))
    table = portable.normalised(weights, 11)
    entries = portable.entries_of(table, 11, shared)
    made = portable.rans_encode(symbols, contexts, entries, lanes, chunk)
    for found, expected in zip(coder.rans_encode(symbols, contexts, entries, lanes, chunk), made, strict=True):
        np.testing.assert_array_equal(found, expected, strict=True)
    return symbols, contexts, portable.slots_of(table, 11, shared), made


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("count", "lanes", "chunk"), LAYOUTS)
def test_the_coder(count, lanes, chunk, shared):
    symbols, contexts, slots, (states, sizes, words) = coded(count, lanes, chunk, shared)
    np.testing.assert_array_equal(coder.count(symbols, contexts), portable.count(symbols, contexts), strict=True)
    out, padded = np.empty(count, np.int8), np.append(words, np.zeros(4, np.uint16))
    padded.flags.writeable = False
    assert coder.rans_decode(padded, sizes, states, *slots, contexts, chunk, out)
    np.testing.assert_array_equal(out, symbols)


@pytest.mark.parametrize(("count", "lanes", "chunk"), [(700, 1, 700), (1000, 4, 252)])
def test_the_coder_refuses_what_the_portable_one_refuses(count, lanes, chunk):
    _, contexts, slots, (states, sizes, words) = coded(count, lanes, chunk, False)
    generator, padded = np.random.default_rng(1), np.append(words, np.zeros(4, np.uint16))
    refused = 0
    for _ in range(10):
        damaged, moved, states_then = padded.copy(), sizes.copy(), states.copy()
        damaged[generator.integers(len(words))] ^= 1 << generator.integers(16)
        moved[[0, -1]] += generator.integers(-1, 2) * np.array([1, -1])
        states_then[-1, -1] ^= generator.integers(1 << 32) * generator.integers(2)
        arguments = damaged, moved, states_then, *slots, contexts, chunk
        expected = portable.rans_decode(*arguments, np.empty(count, np.int8))
        assert coder.rans_decode(*arguments, np.empty(count, np.int8)) is expected
        refused += not expected
    assert refused > 5
