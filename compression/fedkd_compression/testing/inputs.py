"""The rows that laws are tried on: by name, functions of the dimension."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import torch

from fedkd_compression.keys import Key

if TYPE_CHECKING:
    from torch import Tensor

    Input: TypeAlias = Callable[[int], Tensor]


def _normal(dim: int) -> Tensor:
    """A float64 row of standard normal numbers, the same on every machine."""
    return torch.from_numpy(Key.of(0, "laws", "rows").generator().standard_normal(dim))


def _one_hot(dim: int) -> Tensor:
    row = torch.zeros(dim)
    row[dim // 3 : dim // 3 + 1] = -3.0
    return row


INPUTS: Mapping[str, Input] = {
    "dense": lambda dim: _normal(dim).float(),
    "heavy": lambda dim: _normal(dim).float() ** 5,
    "one_hot": _one_hot,
    "zeros": lambda dim: torch.full((dim,), 0.0),
    "constant": lambda dim: torch.full((dim,), -0.75),
    "float16": lambda dim: _normal(dim).half(),
    "bfloat16": lambda dim: _normal(dim).bfloat16(),
    "float64": _normal,
    "denormal": lambda dim: _normal(dim).float() * 1e-41,
    "tiny": lambda dim: _normal(dim).float() * 1e-30,
    "huge": lambda dim: _normal(dim).float() * 1e30,
    "float64_tiny": lambda dim: _normal(dim) * 1e-200,
    "float64_huge": lambda dim: _normal(dim) * 1e200,
}
"""A row for each difficulty: a function of the dimension that gives a tensor [dim]."""

EXTREME = frozenset({"denormal", "tiny", "huge", "float64_tiny", "float64_huge"})
"""Inputs that an operator may refuse with OperatorError; it must serve all others."""

EVERYWHERE = ("dense",)
"""Inputs that are tried at every dimension; the others at the first one only."""
