"""Noisy quadratics: slopes beside differences, eigenvalues within their range, a first loss of one."""

from __future__ import annotations

import pytest
import torch

from fedkd.keys import key
from fedkd.metatraining.families import Quadratics, Start

STREAM = key(13, "optimizer")
COUNT = 6


def begun(family: Quadratics, dtype: torch.dtype = torch.float32) -> Start:
    """Several at once."""
    starts = [family.begin(stream) for stream in map(STREAM.spread(COUNT).row, range(COUNT))]
    parts = [[torch.stack(each).to(dtype) for each in zip(*kind, strict=True)] for kind in zip(*starts, strict=True)]
    return Start(*parts)


def test_the_first_loss_is_one() -> None:
    """Without noise to rounding; with it about."""
    calm, noisy = Quadratics(20, 5, 1e-3, 0.0), Quadratics(20, 5, 1e-3, 0.1)
    for family, tolerance in ((calm, 1e-5), (noisy, 0.2)):
        losses, _ = family.slopes(*begun(family), family.draws(STREAM.spread(COUNT), 1)[:, 0])
        torch.testing.assert_close(losses, torch.ones(COUNT), rtol=0, atol=tolerance)


def test_slopes_are_differences_of_losses() -> None:
    family = Quadratics(7, 3, 0.1, 0.5)
    params, fixed = begun(family, torch.float64)
    drawn = family.draws(STREAM.spread(COUNT), 3)[:, 2].double()
    _, (slope,) = family.slopes(params, fixed, drawn)
    way = torch.randn(params[0].shape, generator=torch.Generator().manual_seed(1)).double()
    above, below = (family.slopes([params[0] + sign * 1e-3 * way], fixed, drawn)[0] for sign in (1, -1))
    torch.testing.assert_close((above - below) / 2e-3, (slope * way).sum((1, 2)))


def test_the_loss_by_its_formula() -> None:
    family = Quadratics(4, 2, 0.1, 0.5)
    params, (curved, scale) = begun(family, torch.float64)
    drawn = family.draws(STREAM.spread(COUNT), 1)[:, 0].double()
    losses, _ = family.slopes(params, [curved, scale], drawn)
    for model in range(COUNT):
        columns = [params[0][model, :, j] - drawn[model] for j in range(2)]
        expected = sum(float(column @ curved[model] @ column) for column in columns) / 2 / float(scale[model])
        assert float(losses[model]) == pytest.approx(expected)


def test_eigenvalues_are_log_uniform_in_their_range() -> None:
    """Half of them are below the root of the least one, within five standard errors."""
    values = torch.cat([torch.linalg.eigvalsh(h.double()) for h in begun(Quadratics(60, 2, 1e-4, 0.0)).fixed[0]])
    assert values.min() > 0.99e-4
    assert values.max() < 1.001
    assert abs(float((values < 1e-2).double().mean()) - 0.5) < 5 * 0.5 / len(values) ** 0.5


def test_noise_is_of_the_step_and_has_its_deviation() -> None:
    drawn = Quadratics(20, 5, 0.1, 0.3).draws(STREAM.spread(40), 10)
    assert drawn.shape == (40, 10, 20)
    assert float(drawn.std()) == pytest.approx(0.3, rel=5 / (2 * drawn.numel()) ** 0.5)
    assert not torch.equal(drawn[:, 0], drawn[:, 1])
