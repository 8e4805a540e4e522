"""EDEN: its rotation, its rates, its two scales, and the bound of every row."""

import numpy as np
import pytest
import torch

from fedkd_compression import EDEN, Key, OperatorError, compress
from fedkd_compression.operators.eden import CENTROIDS
from fedkd_compression.operators.rotation import padded, rotate, rotate_back

KEY = Key.of(3, "eden")
LOST = {1: 0.36338, 2: 0.11748, 3: 0.034548, 4: 0.009501}
"""Mean squared error of the Lloyd-Max quantiser of a standard Gaussian."""


def _gaussian(dim: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(5).standard_normal((1, dim)).astype(np.float32))


@pytest.mark.parametrize("dim", [1, 2, 5, 64, 100, 9000])
def test_the_rotation_is_orthogonal_and_undone(dim):
    rows = _gaussian(dim)
    rotated = rotate(rows, KEY, 4096)
    assert rotated.shape[1] == padded(dim, 4096) >= dim
    assert float(rotated.norm()) == pytest.approx(float(rows.norm()), rel=1e-5)
    torch.testing.assert_close(rotate_back(rotated, KEY, dim, 4096), rows)


def test_a_rotated_one_hot_row_is_flat():
    rotated = rotate(torch.eye(64)[:1], KEY, 64)
    assert torch.equal(rotated.abs(), torch.full((1, 64), 0.125))


@pytest.mark.parametrize("bits", LOST)
def test_centroids_are_the_means_of_their_cells(bits):
    draws = np.abs(np.random.default_rng(0).standard_normal(2_000_000))
    centroids = np.array(CENTROIDS[bits])
    cell = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, draws)
    found = np.bincount(cell, draws) / np.bincount(cell)
    assert np.abs(found - centroids).max() < 0.01
    assert ((draws - centroids[cell]) ** 2).mean() == pytest.approx(LOST[bits], rel=0.01)


@pytest.mark.parametrize("bits", LOST)
@pytest.mark.parametrize("scale", ["biased", "unbiased"])
def test_the_error_of_a_long_row_is_the_quantisers(bits, scale):
    rows = _gaussian(1 << 16)
    received = compress(EDEN(bits=bits, scale=scale), rows, KEY)[1].double()
    error = float((received - rows).square().sum() / rows.double().square().sum())
    expected = LOST[bits] if scale == "biased" else LOST[bits] / (1 - LOST[bits])
    assert error == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize("bits", LOST)
def test_at_most_its_bits_are_sent(bits):
    (frame,), _ = compress(EDEN(bits=bits), _gaussian(1 << 16), KEY)
    assert 8 * len(frame) / (1 << 16) <= bits + 0.03


def test_the_unbiased_scale_keeps_the_part_along_the_row_in_every_draw():
    rows = _gaussian(300)
    for draw in range(10):
        received = compress(EDEN(bits=1, scale="unbiased"), rows, Key.of(draw))[1].double()
        assert float((received * rows).sum()) == pytest.approx(float(rows.double().square().sum()), rel=1e-4)


@pytest.mark.parametrize("bits", LOST)
def test_the_polynomials_behind_the_bound_lie_above_the_error(bits):
    """delta's docstring: (z - Q(z))^2 <= a + b z^2 + c z^4 + e z^6 + f z^8, whose mean is at most what is cut off."""
    if bits == 1:
        return
    # a, b, c, e, f from a linear programme, rounded up.
    above = {
        2: (0.20501, 0.07726, 0.0, 0.0, 0.00023),
        3: (0.060072, 0.019633, 0.00426, 0.0, 0.0000393),
        4: (0.016487, 0.005472, 0.000933, 0.0000797, 0.0000144),
    }[bits]
    z = np.linspace(0, 50, 500_001)
    centroids = np.array(CENTROIDS[bits])
    error = (z - centroids[np.searchsorted((centroids[1:] + centroids[:-1]) / 2, z)]) ** 2
    powers = np.stack([z**power for power in (0, 2, 4, 6, 8)])
    assert (np.array(above) @ powers - error >= -1e-5).all()
    assert np.dot(above, (1, 1, 3, 15, 105)) <= 1 - EDEN(bits=bits).delta(100) + 1e-3


@pytest.mark.parametrize("bits", LOST)
def test_the_bound_holds_for_rows_of_two_coordinates(bits):
    rows = torch.zeros(1, 64)
    rows[0, :2] = torch.tensor([3.0, 1.0])
    lost = [
        float((compress(EDEN(bits=bits), rows, Key.of(draw))[1] - rows).square().sum() / 10.0) for draw in range(200)
    ]
    assert np.mean(lost) <= 1 - EDEN(bits=bits).delta(64)


@pytest.mark.parametrize("fields", [{"bits": 0}, {"bits": 5}, {"bits": 1, "scale": "none"}, {"bits": 1, "block": 100}])
def test_fields_out_of_range_are_refused(fields):
    with pytest.raises(OperatorError, match="EDEN: .*; choose"):
        EDEN(**fields)
