"""Small networks on samples: slopes beside plain PyTorch, one model at a time, and what is drawn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fedkd.keys import key
from fedkd.metatraining.evolution import noise
from fedkd.metatraining.families import Networks
from fedkd.metatraining.families.networks import drawn_network, loss

STREAM = key(11, "optimizer")
X = noise(STREAM.spread(30), 6, 1.0)
Y = torch.arange(30) % 4
SIGMAS = 5.0


def models(count: int) -> list[Tensor]:
    """In float64."""
    starts = [drawn_network((6, 5, 3, 4), stream) for stream in map(STREAM.spread(count).row, range(count))]
    return [torch.stack(parts).double() for parts in zip(*starts, strict=True)]


def plain(params: list[Tensor]) -> torch.nn.Sequential:
    """One of them as a module."""
    layers = [torch.nn.Linear(*weight.shape[::-1], dtype=torch.float64) for weight in params[::2]]
    with torch.no_grad():
        for own, given in zip((part for layer in layers for part in (layer.weight, layer.bias)), params, strict=True):
            own.copy_(given)
    return torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])


def test_slopes_are_those_of_every_model_alone() -> None:
    family, params = Networks(X, Y, (5, 3), 8), models(3)
    drawn = family.draws(STREAM.spread(3), 2)
    losses, slopes = family.slopes(params, [], drawn[:, 1])
    for model in range(3):
        network = plain([part[model] for part in params])
        cost = torch.nn.functional.cross_entropy(network(X[drawn[model, 1]]), Y[drawn[model, 1]])
        cost.backward()
        torch.testing.assert_close(losses[model], cost.detach())
        for slope, own in zip(slopes, network.parameters(), strict=True):
            torch.testing.assert_close(slope[model], own.grad)


def test_slopes_are_differences_of_losses() -> None:
    family, params = Networks(X, Y, (5, 3), 30), models(1)
    drawn = torch.arange(30)[None]
    _, slopes = family.slopes(params, [], drawn)
    width, ways = (
        1e-6,
        [torch.randn(part.shape, generator=torch.Generator().manual_seed(1)).double() for part in params],
    )
    ends = [
        loss([part[0] + sign * width * way[0] for part, way in zip(params, ways, strict=True)], X, Y)
        for sign in (1, -1)
    ]
    along = sum(float((slope * way).sum()) for slope, way in zip(slopes, ways, strict=True))
    assert float(ends[0] - ends[1]) / (2 * width) == pytest.approx(along, rel=1e-6)


def test_weights_are_uniform_within_one_over_the_root_of_the_inputs() -> None:
    weight, bias, *others = drawn_network((100, 50, 10), STREAM)
    assert [part.shape for part in (weight, bias, *others)] == [(50, 100), (50,), (10, 50), (10,)]
    for part, inputs in ((weight, 100), (bias, 100), (others[0], 50), (others[1], 50)):
        assert part.abs().max() <= inputs**-0.5
        # The mean square of a uniform number in (-1, 1) is 1/3, its variance 4/45.
        square = float((part.double() ** 2).mean()) * inputs
        assert abs(square - 1 / 3) < SIGMAS * (4 / 45 / part.numel()) ** 0.5


def test_tasks_are_functions_of_their_streams() -> None:
    family = Networks(X, Y, (5,), 8)
    one, same, other = (family.begin(stream).params for stream in (STREAM, STREAM, STREAM.fold(1)))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_samples_of_a_step_are_drawn_uniformly_with_replacement() -> None:
    drawn = Networks(X, Y, (5,), 8).draws(STREAM.spread(20), 50)
    assert drawn.shape == (20, 50, 8)
    counts = drawn.flatten().bincount(minlength=30)
    assert len(counts) == 30
    expected = drawn.numel() / 30
    assert ((counts - expected).abs() < SIGMAS * expected**0.5).all()
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0, 0], drawn[0, 1])
