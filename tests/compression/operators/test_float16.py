"""Float16: nearest, and its stated error in both ranges of half precision."""

import pytest
import torch

from fedkd_compression import Float16, Key, OperatorError, compress


def _received(rows):
    return compress(Float16(), rows, Key.of(0))[1]


def test_half_rows_are_kept():
    rows = torch.randn(1, 100, generator=torch.Generator().manual_seed(0)).half()
    assert torch.equal(_received(rows), rows)


def test_each_coordinate_in_the_normal_range_is_off_by_at_most_two_to_the_minus_eleven_of_itself():
    rows = 2.0 ** torch.linspace(-14, 15.9, 100_000)[None]
    assert ((_received(rows) - rows).abs() / rows).max() <= 2.0**-11


def test_a_smaller_coordinate_is_off_by_at_most_two_to_the_minus_twentyfive():
    rows = torch.linspace(0, 2.0**-14, 100_000)[None]
    assert (_received(rows) - rows).abs().max() <= 2.0**-25


@pytest.mark.parametrize("value", [65520.0, -1e30])
def test_values_beyond_half_precision_are_refused(value):
    with pytest.raises(OperatorError, match="exceeds 65504"):
        _received(torch.tensor([[0.0, value]]))
