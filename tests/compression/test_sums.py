"""Exact sums: what they lose is declared, and neither the order of terms nor who added them leaves a trace."""

import math
import struct
import zlib
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd_compression import ExactSum, OperatorError, WireError
from fedkd_compression.kernels import compiled, portable
from fedkd_compression.kernels.compiled import compiler
from fedkd_compression.kernels.portable.exact import BOUND, LARGEST, MOST, SHIFTS, UNITS
from fedkd_compression.kernels.tensors import Tensors

DROPPED = Fraction(1, 2**74)
FLOATS = [torch.float32, torch.float64]
NASTY = {
    "cancellation": [1e9, 1.0, -1e9, 1e-9, -1.0],
    "large and small": [1e9, 1e-20, -3e-20, 0.1, 1e9],
    "below the finest unit": [2.0**-74, 3 * 2.0**-74, -(2.0**-75), 1e-30, 5e-324, -2.2e-308],
    "at the bound": [2.0**32, -(2.0**32), 2.0**32, math.nextafter(2.0**32, 0)],
    "halves of units": [2.0**-4, 3 * 2.0**-4, -(2.0**-39), 5 * 2.0**-39, 2.0**-4 + 2.0**-39],
    "zeros": [0.0, -0.0, -0.0],
}
terms = (
    st.floats(-(2.0**32), 2.0**32, width=64)
    | st.floats(-1e-15, 1e-15)
    | st.sampled_from([value for values in NASTY.values() for value in values])
)
several = settings(max_examples=60, deadline=None, derandomize=True)


def sum_of(values, weights=None, dtype=torch.float64):
    total = ExactSum.zeros(1)
    for value, weight in zip(values, weights or [1.0] * len(values), strict=True):
        total.add(torch.tensor([value], dtype=dtype), weight)
    return total


def exact(total):
    """The sum of the limbs of the only coordinate."""
    return sum(Fraction(limb) for limb in total.limbs[:, 0].tolist())


def check(values):
    total, expected = sum_of(values), sum(map(Fraction, values))
    assert abs(exact(total) - expected) <= len(values) * DROPPED
    found = float(total.total())
    assert abs(Fraction(found) - expected) <= len(values) * DROPPED + Fraction(math.ulp(found))
    if all((Fraction(value) / Fraction(UNITS[2])).denominator == 1 for value in values):
        assert exact(total) == expected


@pytest.mark.parametrize("name", NASTY)
def test_the_sum_of_nasty_terms(name):
    check(NASTY[name])
    check([*NASTY[name], *NASTY["cancellation"], 2.0**-73])


@several
@given(st.lists(terms, max_size=30))
def test_the_sum_of_any_terms(values):
    check(values)


def test_it_is_the_sum_that_is_rounded_once():
    values = np.random.default_rng(0).standard_normal(1000) * 10.0 ** np.arange(-12, 4).repeat(63)[:1000]
    values = np.rint(values / 2.0**-73) * 2.0**-73
    assert float(sum_of(values).total()) == math.fsum(values)
    assert float(sum_of([1e9, 2.0**-60, -1e9]).total()) == 2.0**-60


@several
@given(st.lists(st.tuples(terms, st.integers(0, 3)), max_size=12), st.randoms(use_true_random=False))
def test_neither_order_nor_splits_leave_a_trace(split, choices):
    whole = sum_of([value for value, _ in split])
    choices.shuffle(split)
    parts = [sum_of([value for value, part in split if part == name]) for name in range(4)]
    choices.shuffle(parts)
    merged = ExactSum.zeros(1)
    for part in parts:
        merged.merge(part)
    assert merged.pack() == whole.pack()
    assert merged.total().numpy().tobytes() == whole.total().numpy().tobytes()


@several
@given(st.floats(-1e6, 1e6, width=32), st.integers(-4000, 4000) | st.floats(-4000, 4000))
def test_a_product_is_rounded_once_and_exact_for_whole_weights(value, weight):
    term = Fraction(value) * Fraction(weight)
    one = sum_of([value], [weight], torch.float32)
    assert abs(exact(one) - Fraction(float(term))) <= DROPPED
    if isinstance(weight, int):
        assert abs(exact(one) - term) <= DROPPED
    one.merge(sum_of([value], [-weight], torch.float32))
    assert one.pack()[16:] == struct.pack("<Q", 1) + bytes(24)


@pytest.mark.parametrize("dtype", FLOATS)
def test_rows_together_are_rows_one_after_another(dtype):
    rows = torch.randn(7, 40_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64).pow(9).to(dtype)
    weights = [1, 0.1, -2, 3e-9, 0, 1e3, 1 / 3]
    together, one_by_one = ExactSum.zeros(40_000), ExactSum.zeros(40_000)
    together.add_rows(rows, torch.tensor(weights, dtype=torch.float64))
    for row, weight in sorted(zip(rows.t().contiguous().t(), weights, strict=True), key=lambda pair: pair[1]):
        one_by_one.add(row, weight)
    assert together.terms == one_by_one.terms == 7
    assert together.pack() == one_by_one.pack()
    expected = (rows.double() * torch.tensor(weights, dtype=torch.float64)[:, None]).sum(0)
    torch.testing.assert_close(together.total(), expected, rtol=1e-9, atol=1e-6)
    together.add_rows(rows[:0], [])
    assert together.terms == 7


def test_what_requires_gradients_is_added_without_them():
    total = ExactSum.zeros(2)
    total.add(torch.ones(2, requires_grad=True))
    assert total.total().tolist() == [1, 1]
    assert not total.limbs.requires_grad


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dim", [0, 1, 16383, 16385, 40_000])
def test_the_compiled_kernel_is_the_portable_one(dim, threads, dtype, monkeypatch):
    monkeypatch.setattr(compiler, "SMALL", 0)
    generator = np.random.default_rng(dim)
    rows = (generator.standard_normal((3, dim)) * 10.0 ** generator.integers(-40, 12, (3, dim))).astype(dtype)
    rows[:, dim // 2 : dim // 2 + 3] = np.array([np.nan, np.inf, -1e30])[: dim - dim // 2]
    weights, limbs, others = np.array([0.1, -3.0, 1e300]), np.zeros((3, dim)), np.zeros((3, dim))
    with compiler.use_threads(threads):
        left_out = compiled.exact_add(rows, weights, limbs)
    assert left_out == portable.exact_add(rows, weights, others)
    assert limbs.tobytes() == others.tobytes()
    assert left_out >= dim // 10


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("place", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def test_tensor_operations_are_the_portable_kernel(place, dtype):
    rows = torch.randn(4, 300, generator=torch.Generator().manual_seed(1), dtype=torch.float64).pow(9).to(dtype)
    rows[1, 7], rows[2, 8] = float("nan"), -float("inf")
    weights, limbs, others = torch.tensor([0.1, -7.7, 3e-9, 1e8]).double(), np.zeros((3, 300)), torch.zeros(3, 300)
    others = others.to(place, torch.float64)
    left_out = Tensors(place).exact_add(rows.to(place), weights.to(place), others)
    assert left_out == portable.exact_add(rows.numpy(), weights.numpy(), limbs) > 2
    assert limbs.tobytes() == others.cpu().numpy().tobytes()


def test_as_many_terms_as_are_allowed_are_exact_in_every_limb():
    """The worst case of each limb: 2^18 terms of the largest piece of it."""
    for unit, largest, shift in zip(UNITS, LARGEST, SHIFTS, strict=True):
        assert unit * largest * MOST <= 2.0**53 * unit
        assert shift == 1.5 * 2.0**52 * unit
        total = ExactSum.zeros(1)
        total.add(torch.tensor([unit * largest]).double())
        while total.terms < MOST:
            total.merge(total)
        assert exact(total) == MOST * Fraction(unit * largest)
        assert ExactSum.unpack(total.pack(), 1).terms == MOST
        with pytest.raises(OperatorError, match="262145 terms exceed 2\\^18; sum fewer"):
            total.add(torch.zeros(1))


REFUSED = {
    "nan": (torch.tensor([1.0, float("nan")]), 1.0, "a term is NaN or infinite, .*: the training diverged; lower"),
    "inf": (torch.tensor([float("-inf"), 2.0]), 0.0, "a term is NaN or infinite"),
    "overflow": (torch.tensor([1e200, 2.0]).double(), 1e200, "a term is NaN or infinite"),
    "beyond": (torch.tensor([1.0, -5e9]), 1.0, "a term of 5e\\+09 exceeds 4294967296 .2\\^32.; scale down"),
    "just beyond": (torch.tensor([math.nextafter(BOUND, math.inf), 0], dtype=torch.float64), -1.0, "exceeds"),
    "by its weight": (torch.tensor([1.0, 2.0]), 1e10, "a term of 2e\\+10 exceeds"),
    "weight": (torch.tensor([1.0, 2.0]), float("nan"), "a weight is NaN or infinite; give finite"),
    "dtype": (torch.tensor([1, 2]), 1.0, "rows of torch.int64; convert"),
    "half": (torch.tensor([1, 2]).half(), 1.0, "rows of torch.float16; convert"),
    "dimension": (torch.zeros(3), 1.0, "rows .1, 3. with weights .1,. for dim=2; give"),
    "shape": (torch.zeros(2, 2), 1.0, "give rows"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_leaves_the_sum_as_it_was(name):
    x, weight, message = REFUSED[name]
    total = ExactSum.zeros(2)
    total.add(torch.tensor([0.1, -1e-9]).double(), 3.3)
    before = total.pack()
    with pytest.raises(OperatorError, match=message) as refusal:
        total.add(x, weight)
    assert "\n" not in str(refusal.value)
    assert total.pack() == before


def test_one_bad_row_refuses_all_and_merging_needs_one_dimension():
    total = ExactSum.zeros(3)
    with pytest.raises(OperatorError, match="4e\\+19"):
        total.add_rows(torch.tensor([[1.0, 2.0, 3.0], [2e9, 4e9, 5e-9]]), [1.0, 1e10])
    with pytest.raises(OperatorError, match="2 weights|weights .1,."):
        total.add_rows(torch.zeros(2, 3), [1.0])
    with pytest.raises(OperatorError, match="dim=2 merged into dim=3"):
        total.merge(ExactSum.zeros(2))
    assert total.pack() == ExactSum.zeros(3).pack()


@pytest.mark.parametrize("dim", [0, 1, 1000])
def test_packed_sums_come_back_and_go_on(dim):
    x = torch.randn(dim, generator=torch.Generator().manual_seed(dim), dtype=torch.float64).pow(5)
    total = ExactSum.zeros(dim)
    total.add(x, 0.3)
    packed = total.pack()
    assert len(packed) == 24 + 24 * dim
    read = ExactSum.unpack(memoryview(packed), dim)
    assert (read.terms, read.dim) == (1, dim)
    assert read.limbs.numpy().tobytes() == total.limbs.numpy().tobytes()
    for one in (total, read):
        one.add(x, -1.7)
    assert read.pack() == total.pack()


def sealed(rest):
    return struct.pack("<HHI", 0x53FC, 1, zlib.crc32(rest)) + rest


def test_damaged_bytes_are_refused():
    packed = sum_of([0.1, -7.0]).pack()
    for bit in range(8 * len(packed)):
        changed = bytearray(packed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(WireError, match="^sum: "):
            ExactSum.unpack(bytes(changed), 1)
    for size in range(len(packed)):
        with pytest.raises(WireError, match="^sum: "):
            ExactSum.unpack(packed[:size], 1)
    for other in (0, 2, 1 << 60):
        with pytest.raises(WireError, match="is expected in"):
            ExactSum.unpack(packed, other)


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("sign", [1, -1])
def test_limbs_beyond_their_terms_are_refused(row, sign):
    for count in (0, 1, MOST):
        limbs = [0, 0, 0]
        limbs[row] = sign * count * LARGEST[row]
        assert ExactSum.unpack(sealed(struct.pack("<QQ3q", count, 1, *limbs)), 1).terms == count
        for beyond in (limbs[row] + sign, sign * (2**63 - 1)):
            limbs[row] = beyond
            with pytest.raises(WireError, match=f"is beyond {count} terms"):
                ExactSum.unpack(sealed(struct.pack("<QQ3q", count, 1, *limbs)), 1)
    with pytest.raises(WireError, match="beyond"):
        ExactSum.unpack(sealed(struct.pack("<QQ3q", MOST, 1, -(2**63), 0, 0)), 1)
    with pytest.raises(WireError, match="262145 terms exceed"):
        ExactSum.unpack(sealed(struct.pack("<QQ3q", MOST + 1, 1, 0, 0, 0)), 1)
