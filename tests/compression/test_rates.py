"""Choosing a parameter: for bits, for omega, for delta, for a stable step."""

import warnings

import pytest
import torch

from fedkd_compression import (
    EDEN,
    QSGD,
    Compose,
    CountSketch,
    DeadZone,
    Key,
    OperatorError,
    RandK,
    RandP,
    Sign,
    SubtractiveDither,
    TopK,
    compress,
)
from fedkd_compression.rates import Dial, StabilityWarning, at_bits, at_delta, at_omega, check_stability, stable_omega

DIM = 5000


def _cost(operator, rows):
    return 8 * len(compress(operator, rows, Key.of(9))[0][0]) / rows.shape[1]


@pytest.mark.parametrize(
    ("family", "bits"),
    [(SubtractiveDither, 2.0), (SubtractiveDither, 0.5), (DeadZone, 1.0), (QSGD, 3.0), (RandK, 1.0), (TopK, 1.0)],
)
def test_bits_are_met_and_used(family, bits):
    operator = at_bits(family, bits, DIM)
    rows = torch.randn(1, DIM, generator=torch.Generator().manual_seed(1))
    assert 0.93 * bits <= _cost(operator, rows) <= 1.04 * bits


def test_rows_of_the_users_own_are_measured():
    rows = torch.zeros(2, DIM)
    rows[:, :50] = torch.randn(2, 50, generator=torch.Generator().manual_seed(2))
    sparse, dense = at_bits(SubtractiveDither, 1.0, DIM, rows), at_bits(SubtractiveDither, 1.0, DIM)
    assert sparse.step < dense.step


@pytest.mark.parametrize("family", [SubtractiveDither, QSGD, RandK, RandP, CountSketch])
@pytest.mark.parametrize("omega", [0.3, 2.0])
def test_omega_is_met_and_used(family, omega):
    found = at_omega(family, omega, DIM).omega(DIM)
    assert 0.9 * omega <= found <= omega * (1 + 1e-9)


@pytest.mark.parametrize(("family", "delta"), [(TopK, 0.1), (DeadZone, 0.8), (EDEN, 0.9)])
def test_delta_is_met(family, delta):
    assert at_delta(family, delta, DIM).delta(DIM) >= delta


def test_a_dial_of_the_users_own():
    dial = Dial(lambda k: Compose(RandK(k=int(k)), SubtractiveDither(step=1.0)), finest=DIM, coarsest=1, whole=True)
    found = at_omega(dial, 3.0, DIM)
    assert 2.9 <= found.omega(DIM) <= 3.0


def test_the_ends_of_a_dial_are_found():
    assert at_omega(RandK, 1e9, DIM) == RandK(k=1)
    assert at_bits(RandK, 1e9, DIM) == RandK(k=DIM)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: at_bits(SubtractiveDither, 1e-9, DIM), "misses 1e-09 bits"),
        (lambda: at_omega(TopK, 0.1, DIM), "TopK has no omega"),
        (lambda: at_delta(RandK, 0.1, DIM), "RandK has no delta"),
        (lambda: at_omega(QSGD, 1e-12, 10**6), "misses omega=1e-12"),
        (lambda: at_bits(Sign, 1.0, DIM), "Sign has no known parameter"),
        (lambda: stable_omega(0.0, 1.0), "must both be above 0"),
    ],
)
def test_what_cannot_be_had_is_refused(ask, words):
    with pytest.raises(OperatorError, match=words):
        ask()


def test_the_stable_omega_and_its_warning():
    assert stable_omega(step_size=0.1, smoothness=5.0) == 2.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_stability(SubtractiveDither(step=1.0), DIM, 0.1, 5.0) == pytest.approx(1 / 24)
    with pytest.warns(StabilityWarning, match=r"choose omega <= 2, for example a SubtractiveDither"):
        assert check_stability(QSGD(levels=1), 1000, 0.1, 5.0) == pytest.approx(15.8, rel=0.01)
