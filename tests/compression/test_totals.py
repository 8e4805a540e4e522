"""Totals in one pass: the bits of an exact sum, whether the terms of a tile are near or far, and the same refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedkd_compression import OperatorError, exact_total
from fedkd_compression.kernels import compiled, portable
from fedkd_compression.kernels.compiled import compiler
from tests.compression.test_sums import REFUSED, several, sum_of, terms


@several
@given(st.lists(st.tuples(terms, st.sampled_from([1.0, -1.0, 0.5])), min_size=1, max_size=30))
def test_a_total_in_one_pass_is_that_of_the_sum(split):
    values, weights = zip(*split, strict=True)
    found = exact_total([torch.tensor([value], dtype=torch.float64) for value in values], weights)
    assert found.numpy().tobytes() == sum_of(values, weights).total().numpy().tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("largest", [1e-3, 2.0**10, 2.0**13, 2.0**33, 1e30])
@pytest.mark.parametrize("dim", [0, 1000, 1023, 16385, 40_000])
def test_the_compiled_total_is_the_portable_one(dim, largest, threads, dtype, monkeypatch):
    """Tiles whose terms are near are added on two grids, others on three."""
    monkeypatch.setattr(compiler, "SMALL", 0)
    generator = np.random.default_rng(dim)
    rows = list((generator.uniform(-1, 1, (7, dim)) ** 9 * largest).astype(dtype))
    rows[2] = np.concatenate((np.zeros(3, np.uint8), rows[2].view(np.uint8)))[3:].view(dtype)
    for row in rows:
        row[dim // 3 : 2 * dim // 3] *= dtype(1e-6)
    weights, total, other = np.array([0.1, -3.0, 1.0, 1.0, 1.0, 1e-9, 2.0**-38]), np.empty(dim), np.empty(dim)
    with compiler.use_threads(threads):
        left_out = compiled.exact_total(rows, weights, total)
    assert left_out == portable.exact_total(rows, weights, other)
    assert total.tobytes() == other.tobytes()
    assert (left_out > 0) == (largest > 2.0**13 and dim > 0)


def test_ties_between_units_are_cut_alike_on_two_grids_and_three():
    """Near terms in one tile, and the same ones in a tile with a far one."""
    values = [(k + 0.5) * 2.0**-38 + whole for k in range(-3, 3) for whole in (0.0, 2.0**-3, -7 * 2.0**-3)]
    rows = [torch.tensor([value, 0.0], dtype=torch.float64) for value in values]
    far = [torch.tensor([0.0, 2.0**20], dtype=torch.float64)]
    assert exact_total(rows, [1.0] * len(rows))[0] == exact_total(rows + far, [1.0] * (len(rows) + 1))[0]
    assert float(exact_total(rows, [1.0] * len(rows))[0]) == float(sum_of(values).total())


@pytest.mark.parametrize("name", [name for name in REFUSED if name not in ("dimension", "shape")])
def test_a_total_refuses_what_a_sum_does(name):
    x, weight, message = REFUSED[name]
    with pytest.raises(OperatorError, match=message.replace("rows of torch.(int64|float16)", "rows of")):
        exact_total([torch.ones_like(x), x], [1.0, weight])


def test_rows_of_a_total_have_one_shape_and_a_weight_each():
    for rows, weights in (([], []), ([torch.zeros(2)], []), ([torch.zeros(2), torch.zeros(3)], [1.0, 1.0])):
        with pytest.raises(OperatorError, match="^exact_total: "):
            exact_total(rows, weights)
    mixed = [torch.ones(2), torch.ones(2).double() / 3]
    assert exact_total(mixed, [1.0, 1.0]).tolist() == [1 + 1 / 3] * 2
