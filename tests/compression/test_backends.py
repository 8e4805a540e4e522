"""Every set of kernels makes the same bytes and the same floats, of batches, of long rows and from others' frames."""

import pytest
import torch

from fedkd_compression import ExactSum, Key, OperatorError, compress, decompress
from fedkd_compression.compressor import decompress_sum
from fedkd_compression.kernels import available, use
from tests.laws.table import OPERATORS

DEFAULT = "numba"
OTHERS = [(name, "cpu") for name in ("numpy", "torch")]
if torch.cuda.is_available():
    OTHERS += [(name, "cuda") for name in available() if name in ("torch", "triton")]
SHAPES = {"batch": (3, 20, torch.float32), "batch64": (3, 20, torch.float64), "long": (1, 17000, torch.float32)}
"""A long row has several chunks, and its symbols are entropy-coded in lanes."""


def rows_of(count, dim, dtype):
    """The first of three rows: heavy-tailed, zeros but for a few, dense."""
    rows = torch.randn(3, dim, generator=torch.Generator().manual_seed(dim), dtype=torch.float64)
    rows[0] = rows[0].pow(3).clamp(-40, 40)
    rows[1, torch.arange(dim) % 7 > 0] = 0
    return rows[:count].to(dtype)


def key_of(count):
    return Key.stack([Key.of(1, "backends", row) for row in range(count)])


def serves(operator, dim):
    try:
        operator.check(dim)
    except OperatorError:
        return False
    return True


CASES = [
    pytest.param(name, shape, id=f"{name}-{shape}", marks=[pytest.mark.exhaustive] if shape == "long" else [])
    for name, operator in OPERATORS.items()
    for shape, (_, dim, _) in SHAPES.items()
    if serves(operator, dim)
]


@pytest.mark.parametrize(("kernels", "device"), OTHERS)
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_frames_and_received_rows_are_the_same(name, shape, kernels, device):
    count, dim, dtype = SHAPES[shape]
    operator, rows, key = OPERATORS[name], rows_of(count, dim, dtype), key_of(count)
    with use(DEFAULT):
        frames, told = compress(operator, rows, key)
    with use(kernels):
        others_frames, others_told = compress(operator, rows.to(device), key)
        others_read = decompress(operator, frames, key, dim, device)
    with use(DEFAULT):
        read = decompress(operator, others_frames, key, dim)
    assert others_frames == frames
    for found in (others_told, others_read, read):
        assert found.dtype == told.dtype
        assert torch.equal(found.cpu(), told)
    assert others_told.device.type == others_read.device.type == device


@pytest.mark.parametrize(("kernels", "device"), OTHERS)
@pytest.mark.parametrize("name", [name for name, operator in OPERATORS.items() if operator.traits.additive])
def test_sums_of_frames_are_the_same(name, kernels, device):
    dim = 1000
    operator, rows, key = OPERATORS[name], rows_of(3, dim, torch.float32), key_of(1)
    frames = [compress(operator, row[None], key)[0][0] for row in rows]
    expected = decompress_sum(operator, frames, key, dim, [0.5, -2.0, 0.1])
    with use(kernels):
        assert torch.equal(decompress_sum(operator, frames, key, dim, [0.5, -2.0, 0.1]), expected)


@pytest.mark.parametrize(("kernels", "device"), OTHERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_exact_sums_are_the_same(shape, kernels, device):
    count, dim, dtype = SHAPES[shape]
    rows, weights = rows_of(count, dim, dtype), [0.1, -3.0, 1e-9][:count]
    expected, found = ExactSum.zeros(dim), ExactSum.zeros(dim)
    with use(DEFAULT):
        expected.add_rows(rows, weights)
    with use(kernels):
        found.add_rows(rows.to(device), weights)
    assert found.pack() == expected.pack()
