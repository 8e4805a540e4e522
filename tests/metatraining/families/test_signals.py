"""Signals: shapes, the same again, of zero mean and unit deviation, and there is something to learn."""

from __future__ import annotations

import pytest
import torch

from fedkd.keys import key
from fedkd.metatraining.families import Networks
from fedkd.metatraining.families.signals import CLASSES, LENGTH, signals

STREAM = key(17, "data")


def test_signals_are_a_function_of_their_stream() -> None:
    (x, y), (again, labels), (other, _) = signals(STREAM, 500), signals(STREAM, 500), signals(STREAM.fold(1), 500)
    assert (x.dtype, x.shape, y.dtype, y.shape) == (torch.float32, (500, LENGTH), torch.int64, (500,))
    assert torch.equal(x, again)
    assert torch.equal(y, labels)
    assert not torch.equal(x, other)
    assert sorted(set(y.tolist())) == list(range(CLASSES))
    assert float(x.mean()) == pytest.approx(0, abs=1e-5)
    assert float(x.std()) == pytest.approx(1, rel=2e-3)


def test_classes_are_learned_from_signals_and_not_by_heart() -> None:
    """Of 500 signals that it has not seen, a small network names most; guessing would name a tenth."""
    x, y = signals(STREAM, 2000)
    family = Networks(x[:1500], y[:1500], (32,), 64)
    params = [part.clone()[None] for part in family.begin(STREAM).params]
    solver = torch.optim.Adam(params, 0.01)
    for drawn in family.draws(STREAM, 250)[0]:
        _, slopes = family.slopes(params, [], drawn[None])
        for part, slope in zip(params, slopes, strict=True):
            part.grad = slope
        solver.step()
    (first, first_bias, last, last_bias) = (part[0] for part in params)
    hidden = torch.relu(x[1500:] @ first.T + first_bias)
    right = (hidden @ last.T + last_bias).argmax(1) == y[1500:]
    assert 0.7 < float(right.float().mean()) < 1
