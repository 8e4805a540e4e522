"""The operator obeys the laws of fedkd_compression, and keeps what its own page promises."""

import pytest
import torch
from fedkd_compression import Key, OperatorError, compress, sizes
from fedkd_compression.plugins import compressor
from fedkd_compression.testing import check_operator

from my_compressor import ScaledSign


@pytest.mark.parametrize("block", [7, 256])
def test_it_obeys_the_laws(block: int) -> None:
    check_operator(ScaledSign(block))


def test_it_is_found_by_its_name() -> None:
    assert compressor("my_sign") is ScaledSign


def test_a_block_is_its_mean_and_its_signs() -> None:
    rows = torch.tensor([[1.0, -3.0, 0.5]])
    _, received = compress(ScaledSign(block=2), rows, Key.of(0))
    assert received.tolist() == [[2.0, -2.0, 0.5]]


def test_it_costs_about_one_bit_a_coordinate() -> None:
    rows = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))
    (frame,), _ = compress(ScaledSign(block=250), rows, Key.of(0))
    assert sizes(frame).side == 4 * 8000 // 250
    assert sizes(frame).body <= 8000 / 8 + 24


def test_a_block_of_nothing_is_refused() -> None:
    with pytest.raises(OperatorError, match="choose block >= 1"):
        ScaledSign(block=0)
