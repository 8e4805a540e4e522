"""Rows as operators are given them, and their comparison bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code


def computed(x: Tensor) -> Tensor:
    """The row in the dtype in which operators compute: float32 of a shorter one."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def same(found: Tensor, expected: Tensor, what: str) -> None:
    """Assert that two tensors have one shape, one dtype and the same values; NaN is NaN.

    Raises:
        AssertionError: says how many entries differ, and by how much at most.
    """
    assert found.shape == expected.shape, f"{what} have shapes {tuple(found.shape)} and {tuple(expected.shape)}"
    assert found.dtype == expected.dtype, f"{what} are {found.dtype} and {expected.dtype}"
    others = (found != expected) & ~(found.isnan() & expected.isnan())
    if others.any():
        gap = float((found.double() - expected.double())[others].abs().max())
        raise AssertionError(f"{what} differ in {int(others.sum())} of {found.numel()} entries, by {gap:g}")


def near(found: Tensor, expected: Tensor, parts: Sequence[Tensor], what: str) -> None:
    """Assert that ``found`` is ``expected`` up to the rounding of the parts that were added up to it.

    Rounding to the parts' dtype, and to float32 on the way, is a few units in the last place of the largest entry.

    Raises:
        AssertionError: says how large the difference is, and what rounding gives.
    """
    if found.numel() == 0:
        return
    kind = torch.finfo(parts[0].dtype)
    peak = sum(float(part.double().abs().max()) for part in parts)
    gap = float((found.double() - expected.double()).abs().max())
    allowed = max(1e-5, 4 * kind.eps) * peak + 16 * kind.tiny * kind.eps
    assert gap <= allowed, f"{what} differ by {gap:g}; rounding gives {allowed:g}"


def parts_of(code: Code, name: str = "") -> dict[str, Tensor]:
    """The parts that a code has, those of its children included, by name."""
    named = zip(("symbols", "positions", "values", "side"), code.parts(), strict=True)
    found = {name + kind: part for kind, part in named if part is not None}
    for i, child in enumerate(code.children):
        found |= parts_of(child, f"{name}child {i} ")
    return found
