"""The families by name, and their data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from fedkd.data import Digits, Mnist5k
from fedkd.keys import key
from fedkd.metatraining.families.base import Family
from fedkd.metatraining.families.federated import Federated, Rounds
from fedkd.metatraining.families.networks import Networks
from fedkd.metatraining.families.quadratics import Quadratics
from fedkd.metatraining.families.signals import signals

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.data import Source

_DATA = key(0, "data")
_SIGNALS = 4000
HIDDEN = (32,)
ROUND = Rounds(clients=20, cohort=10, steps=5, batch=20, rate=0.1, least=0.1, most=1.0)


def family_of(name: str) -> Family:
    """The family of this name; its data are loaded."""
    return FAMILIES[name]()


def _digits() -> Family:
    return Networks(*_samples(Digits(0, 0, 0)), HIDDEN, 64)


def _mnist5k() -> Family:
    """Images of half the height and width, each place the mean of four."""
    x, y = _samples(Mnist5k(0, 0, 0))
    small = torch.nn.functional.avg_pool2d(x.view(-1, 1, 28, 28), 2)
    return Networks(small.flatten(1), y, (16,), 64)


def _signals() -> Family:
    return Networks(*signals(_DATA.fold("signals"), _SIGNALS), HIDDEN, 64)


def _deep_signals() -> Family:
    return Networks(*signals(_DATA.fold("signals"), _SIGNALS), (20, 20), 64)


def _quadratics() -> Family:
    return Quadratics(20, 5, 1e-3, 0.1)


def _federated_digits() -> Family:
    return Federated(*_samples(Digits(0, 0, 0)), HIDDEN, ROUND)


def _federated_signals() -> Family:
    return Federated(*signals(_DATA.fold("signals"), _SIGNALS), HIDDEN, ROUND)


def _samples(source: Source) -> tuple[Tensor, Tensor]:
    train = source.load(_DATA).train
    return train.x.flatten(1), train.y


FAMILIES: dict[str, Callable[[], Family]] = {
    "digits": _digits,
    "mnist5k": _mnist5k,
    "signals": _signals,
    "deep_signals": _deep_signals,
    "quadratics": _quadratics,
    "federated_digits": _federated_digits,
    "federated_signals": _federated_signals,
}
