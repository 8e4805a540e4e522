"""Every operator x every law: a new operator is one row of OPERATORS."""

import pytest
import torch

from fedkd_compression import QSGD, Float16, Identity, Key, RandK, SubtractiveDither, TopK
from fedkd_compression.testing import LAWS

DIM = 20
OPERATORS = (
    Identity(),
    Float16(),
    QSGD(levels=1, norm="l2"),
    QSGD(levels=4, norm="l2"),
    QSGD(levels=1, norm="max"),
    QSGD(levels=4, norm="max"),
    QSGD(levels=1000, norm="max"),
    SubtractiveDither(step=0.01),
    SubtractiveDither(step=0.25),
    SubtractiveDither(step=1.0),
    SubtractiveDither(step=2.5),
    RandK(k=1),
    RandK(k=5),
    TopK(k=3),
    TopK(fraction=0.5),
)


def _dense() -> torch.Tensor:
    return torch.randn(DIM, generator=torch.Generator().manual_seed(1))


def _one_hot() -> torch.Tensor:
    row = torch.zeros(DIM)
    row[7] = -3.0
    return row


INPUTS = {
    "dense": _dense(),
    "heavy": _dense() ** 5,
    "one_hot": _one_hot(),
    "float64": _dense().double() * 1e-200,
    "float16": _dense().half(),
    "bfloat16": _dense().bfloat16(),
    "tiny": _dense() * 1e-30,
    "huge": _dense() * 1e30,
}
HALF_RANGE = {"dense", "heavy", "one_hot", "float16", "bfloat16"}
"""Float16 states its delta for coordinates in half precision's normal range."""


CASES = [
    pytest.param(operator, name, id=f"{operator}-{name}")
    for operator in OPERATORS
    for name in INPUTS
    if name in HALF_RANGE or not isinstance(operator, Float16)
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(("operator", "name"), CASES)
def test_law(operator, name, law):
    law(operator, INPUTS[name], Key.of(3, "laws"))
