"""``measure`` gives what ``compress`` gives, with lengths in place of bytes; a law holds it for every operator."""

from __future__ import annotations

import pytest
import torch

from fedkd_compression import QSGD, Key, Operator, OperatorError, SubtractiveDither, compress, kernels, measure, sizes

ROWS = 5


def agree(operator: Operator, rows: torch.Tensor) -> None:
    key = Key.of(7).spread(len(rows))
    frames, received = compress(operator, rows, key)
    lengths, again = measure(operator, rows, key)
    assert torch.equal(received, again)
    parts = [sizes(frame) for frame in frames]
    assert lengths.header.tolist() == [part.header for part in parts]
    assert lengths.side.tolist() == [part.side for part in parts]
    assert lengths.body.tolist() == [part.body for part in parts]
    assert lengths.total.tolist() == list(map(len, frames))


DIRECT = (QSGD(1, "l2"), QSGD(7, "l2"), QSGD(200, "l2"), SubtractiveDither(1.0), SubtractiveDither(0.01))


@pytest.mark.sampled(5)
@pytest.mark.parametrize("operator", DIRECT, ids=repr)
@pytest.mark.parametrize("dim", [1, 20, 1000, 8191, 8192])
@pytest.mark.parametrize("scale", [1.0, 1e-200, 0.0])
def test_the_direct_way_is_the_same_to_the_bit(operator: Operator, dim: int, scale: float) -> None:
    rows = scale * torch.randn(ROWS, dim, generator=torch.Generator().manual_seed(dim), dtype=torch.float64)
    rows[1] = 0
    rows[2] = 0
    rows[2, dim // 2] = 5
    agree(operator, rows)


@pytest.mark.parametrize("operator", DIRECT[:4:3], ids=repr)
def test_many_rows(operator: Operator) -> None:
    agree(operator, torch.randn(2000, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("operator", DIRECT[:4:3], ids=repr)
def test_what_is_not_finite_is_refused(operator: Operator, bad: float) -> None:
    rows = torch.zeros(2, 8, dtype=torch.float64)
    rows[1, 3] = bad
    with pytest.raises(OperatorError, match="NaN or infinity"):
        measure(operator, rows, Key.of(0).spread(2))


def test_shapes_are_checked_and_nothing_gives_nothing() -> None:
    with pytest.raises(OperatorError, match="give rows"):
        measure(QSGD(1), torch.zeros(3, 4, dtype=torch.float64), Key.of(0))
    assert measure(QSGD(1), torch.zeros(0, 4, dtype=torch.float64), Key(()))[0].total.tolist() == []


def test_the_plain_kernels_count_the_same() -> None:
    rows = torch.randn(ROWS, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with kernels.use("numpy"):
        agree(SubtractiveDither(1.0), rows)
