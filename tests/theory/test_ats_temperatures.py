"""How DA, DV and IV answer to the temperatures, and two hazards: the zero point and inverted labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fedkd.tasks.decomposition import derived_average, derived_variance, inherent_variance, inverted
from fedkd.tasks.targets import Center, target

SAMPLES, CLASSES = 300, 8
GRID = [0.25 * 1.25**i for i in range(25)]


def draw(seed: int = 0, scale: float = 4.0) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    logits = scale * rng.standard_normal((SAMPLES, CLASSES))
    return torch.from_numpy(logits), torch.from_numpy(rng.integers(0, CLASSES, SAMPLES))


def draw_predicted(seed: int = 0, scale: float = 4.0) -> tuple[Tensor, Tensor]:
    """Logits whose argmax is the label."""
    logits, _ = draw(seed, scale)
    return logits, logits.argmax(-1)


def steps(values: list[Tensor]) -> Tensor:
    """Differences along a grid of temperatures, [grid - 1, samples]."""
    return torch.stack(values).diff(dim=0)


def test_ts_raises_da_with_tau_when_the_teacher_is_right() -> None:
    logits, y = draw_predicted()
    change = steps([derived_average(target(logits, y, tau, tau), y) for tau in GRID])
    assert (change >= -1e-16).all()
    assert (change.sum(0) > 0).all()


def test_iv_falls_with_tau_other() -> None:
    logits, y = draw()
    assert (steps([inherent_variance(logits, y, tau) for tau in GRID]) <= 1e-16).all()


def test_ts_dv_rises_then_falls() -> None:
    logits, y = draw_predicted()
    variance = torch.stack([derived_variance(target(logits, y, tau, tau), y) for tau in GRID])
    peak = variance.argmax(0)
    rising = torch.arange(len(GRID) - 1).unsqueeze(1) < peak
    change = variance.diff(dim=0)
    assert (peak > 0).any()
    assert (peak < len(GRID) - 1).all()
    assert (change[rising] >= -1e-16).all()
    assert (change[~rising] <= 1e-16).all()


def test_tau_true_raises_da_and_dv_where_the_label_logit_is_positive_and_lowers_them_where_negative() -> None:
    logits, y = draw()
    sign = logits.gather(1, y.unsqueeze(1)).squeeze(1).sign()
    for diagnostic in (derived_average, derived_variance):
        change = steps([diagnostic(target(logits, y, tau, 2.0), y) for tau in GRID])
        assert (change * sign >= -1e-16).all()
        assert (change.sum(0) * sign > 0).all()


def test_iv_does_not_depend_on_tau_true() -> None:
    logits, y = draw()
    shares = []
    for tau_true in (1.0, 6.0):
        q = target(logits, y, tau_true, 2.0)
        among = q.masked_fill(torch.nn.functional.one_hot(y, CLASSES).bool(), 0)
        shares.append(derived_variance(among / among.sum(-1, keepdim=True), y))
    torch.testing.assert_close(shares[0], shares[1], rtol=1e-9, atol=1e-16)
    torch.testing.assert_close(shares[0], inherent_variance(logits, y, 2.0), rtol=1e-9, atol=1e-16)


def test_ts_ignores_the_zero_point_of_the_logits_and_ats_does_not() -> None:
    logits, y = draw()
    torch.testing.assert_close(target(logits + 5, y, 2.0, 2.0), target(logits, y, 2.0, 2.0))
    moved = target(logits + 5, y, 3.0, 2.0) - target(logits, y, 3.0, 2.0)
    assert moved.abs().amax() > 0.1


@pytest.mark.parametrize("center", ["mean", "wrong_mean"])
def test_a_centred_ats_target_ignores_the_zero_point(center: Center) -> None:
    logits, y = draw()
    torch.testing.assert_close(target(logits + 5, y, 3.0, 2.0, center), target(logits, y, 3.0, 2.0, center))


def test_centres_subtract_the_mean_they_name() -> None:
    logits, y = torch.tensor([[6.0, 2.0, 1.0]]), torch.tensor([0])
    expected = torch.softmax(torch.tensor([[3.0 / 3, -1.0 / 2, -2.0 / 2]]), -1)
    torch.testing.assert_close(target(logits, y, 3.0, 2.0, "mean"), expected)
    expected = torch.softmax(torch.tensor([[4.5 / 3, 0.5 / 2, -0.5 / 2]]), -1)
    torch.testing.assert_close(target(logits, y, 3.0, 2.0, "wrong_mean"), expected)


def test_order_and_odds_of_wrong_classes_are_those_of_tau_other() -> None:
    logits, _ = draw()
    y = torch.full((SAMPLES,), CLASSES - 1)
    q = target(logits, y, 5.0, 2.0)[:, :-1]
    assert torch.equal(q.argsort(-1), logits[:, :-1].argsort(-1))
    odds = q[:, :1].log() - q.log()
    torch.testing.assert_close(odds, (logits[:, :1] - logits[:, :-1]) / 2.0)


@pytest.mark.parametrize(("tau_true", "tau_other"), [(6.0, 1.0), (3.0, 2.0), (1.0, 4.0)])
def test_a_label_is_inverted_exactly_when_its_scaled_logit_is_the_smaller(tau_true: float, tau_other: float) -> None:
    logits, y = draw_predicted()
    shifted = logits - 3  # some rows have a negative maximum
    at_label = shifted.gather(1, y.unsqueeze(1)).squeeze(1)
    best_wrong = shifted.scatter(1, y.unsqueeze(1), -torch.inf).amax(-1)
    predicted = at_label / tau_true < best_wrong / tau_other
    q = target(shifted, y, tau_true, tau_other)
    assert torch.equal(inverted(shifted, q, y), predicted)
    assert torch.equal(q.argmax(-1) != y, predicted)
    assert predicted.any()
    assert not predicted.all()


@pytest.mark.parametrize(("tau_true", "tau_other"), [(6.0, 1.0), (1.0, 4.0)])
@pytest.mark.parametrize("center", ["none", "mean", "wrong_mean"])
def test_clamp_lifts_inverted_labels_to_a_tie_and_changes_nothing_else(
    tau_true: float, tau_other: float, center: Center
) -> None:
    logits, y = draw()
    y = torch.where(torch.arange(SAMPLES) < 200, logits.argmax(-1), y)
    free = target(logits, y, tau_true, tau_other, center)
    clamped = target(logits, y, tau_true, tau_other, center, clamp=True)
    bad = inverted(logits, free, y)
    assert not inverted(logits, clamped, y).any()
    assert torch.equal(clamped[~bad], free[~bad])
    best_wrong = clamped.scatter(1, y.unsqueeze(1), -torch.inf).amax(-1)
    assert torch.equal(clamped.gather(1, y.unsqueeze(1)).squeeze(1)[bad], best_wrong[bad])


def test_clamp_is_the_tau_true_of_the_tie() -> None:
    logits, y = torch.tensor([[4.0, 3.0, 1.0]], dtype=torch.float64), torch.tensor([0])
    expected = target(logits, y, 2.0 * 4.0 / 3.0, 2.0)
    torch.testing.assert_close(target(logits, y, 6.0, 2.0, clamp=True), expected)
