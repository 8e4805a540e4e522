"""DeadZone: what is kept, what it costs, and what its bound promises."""

import numpy as np
import pytest
import torch

from fedkd_compression import DeadZone, Key, OperatorError, compress, sizes

KEY = Key.of(0)


def _gaussian(dim: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((1, dim)).astype(np.float32))


def _lost(operator: DeadZone, rows: torch.Tensor) -> float:
    received = compress(operator, rows, KEY)[1].double()
    return float((received - rows).square().sum() / rows.double().square().sum())


@pytest.mark.parametrize(("step", "nmse", "bits"), [(2.735, 0.5, 0.72), (2.257, 0.363, 0.99), (1.196, 0.1175, 1.82)])
def test_it_comes_near_the_limit_on_gaussian_rows(step, nmse, bits):
    rows = _gaussian(1 << 18)
    (frame,), _ = compress(DeadZone(step=step), rows, KEY)
    assert _lost(DeadZone(step=step), rows) == pytest.approx(nmse, rel=0.01)
    assert 8 * len(frame) / rows.shape[1] <= bits


def test_small_coordinates_become_zero_and_no_others():
    rows = torch.tensor([[0.54, -0.54, 0.56, -0.56, 1.55, 1.54, -3.0, 0.1]])
    rows = rows / rows.square().mean().sqrt()
    step = float(1 / torch.tensor([0.54, -0.54, 0.56, -0.56, 1.55, 1.54, -3.0, 0.1]).square().mean().sqrt())
    code = DeadZone(step=step).encode(rows, KEY)
    assert code.symbols is not None
    assert code.symbols.tolist() == [[0, 0, 1, -1, 2, 1, -3, 0]]


def test_cells_are_restored_to_their_means():
    rows = _gaussian(4096)
    code, received = DeadZone(step=1.0).transmit(rows, KEY)
    symbols = code.symbols
    assert symbols is not None
    one = symbols.abs() == 1
    assert float(received[one].abs().mean()) == pytest.approx(float(rows[one].abs().mean()), rel=1e-3)
    beyond = symbols.abs() > 1
    assert float(received[beyond].abs().mean()) == pytest.approx(float(rows[beyond].abs().mean()), rel=1e-3)


@pytest.mark.parametrize("step", [0.5, 1.0, 2.0, 8.0, 60.0])
@pytest.mark.parametrize("row", ["flat", "one_hot", "gaussian", "two_levels"])
def test_the_bound_holds_on_hard_rows(step, row):
    dim = 64
    rows = {
        "flat": torch.ones(1, dim),
        "one_hot": torch.eye(dim)[:1],
        "gaussian": _gaussian(dim),
        "two_levels": torch.tensor([[1.0] * 8 + [0.54] * (dim - 8)]),
    }[row]
    assert _lost(DeadZone(step=step), rows) <= 1 - DeadZone(step=step).delta(dim) + 1e-3
    assert DeadZone(step=step).delta(dim) > 0


def test_the_largest_coordinate_never_falls_into_the_dead_zone():
    rows = torch.ones(1, 1000)
    assert _lost(DeadZone(step=60.0), rows) < 1e-5


def test_side_information_is_a_spacing_and_an_offset():
    (frame,), _ = compress(DeadZone(step=1.0), _gaussian(100), KEY)
    assert sizes(frame).side == 4


@pytest.mark.parametrize(
    "fields", [{"step": 0.0}, {"step": 100.0}, {"step": 1.0, "threshold": 0.4}, {"step": float("nan")}]
)
def test_fields_out_of_range_are_refused(fields):
    with pytest.raises(OperatorError, match="DeadZone: .* is outside"):
        DeadZone(**fields)


def test_too_fine_a_step_is_refused():
    with pytest.raises(OperatorError, match="is too fine for dim=100000000; choose step >= "):
        DeadZone(step=2.0**-11).check(10**8)
