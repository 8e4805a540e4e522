"""Clipped: large coordinates are cut down before an operator sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Named, Operator, Part, Traits
from fedkd_compression.operators.norms import l2_norms
from fedkd_compression.wrappers.scaled import Scaled

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code
    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Clipped(Operator):
    """C(y) with y_j = x_j cut to [-limit RMS(x), limit RMS(x)]: a few large coordinates do not set the scale of all.

    Biased. With a = |y|^2/|x|^2 >= min(1, limit^2)/d, an unbiased C with omega < 1 gives delta = (1 - omega) a, and
    ``Scaled`` with its delta gives delta a: |y - x|^2 = |x|^2 - |y|^2 - 2 <y, x - y>, and <y, x - y> >= 0.
    Source: Wen et al., TernGrad (2017), where limit is 2.5.

    Args:
        operator: works on the clipped rows.
        limit: in units of the row's RMS, > 0.
    """

    operator: Operator
    limit: float

    def __post_init__(self) -> None:
        if not self.limit > 0:
            raise OperatorError(f"Clipped: limit={self.limit} is not above 0; choose limit = 2.5")

    @property
    def traits(self) -> Traits:
        """The operator's, but biased, and not linear."""
        return replace(self.operator.traits, unbiased=False, exact=False, lossless=False, additive=False)

    def encode(self, rows: Tensor, key: Key) -> Code:
        """The operator's code of the clipped rows."""
        return self.operator.encode(self._clip(rows), key)

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """What the operator decodes."""
        return self.operator.decode(code, key, dim)

    def transmit(self, rows: Tensor, key: Key) -> tuple[Code, Tensor]:
        """Both in one pass."""
        return self.operator.transmit(self._clip(rows), key)

    def total(self, code: Code, weights: Tensor, key: Key, dim: int) -> Tensor:
        """The operator's sum."""
        return self.operator.total(code, weights, key, dim)

    def delta(self, dim: int) -> float | None:
        """A bound, for an unbiased operator with omega < 1 and for ``Scaled``; else None."""
        least, omega = min(1.0, self.limit**2) / max(dim, 1), self.operator.omega(dim)
        if isinstance(self.operator, Scaled):
            return self.operator.delta(dim) * least
        return (1 - omega) * least if omega is not None and omega < 1 else None

    def contexts(self, key: Key, dim: int) -> Tensor | None:
        """The operator's."""
        return self.operator.contexts(key, dim)

    def children(self, key: Key, dim: int) -> tuple[Part, ...]:
        """The operator's."""
        return self.operator.children(key, dim)

    def kept(self, key: Key, dim: int) -> int | None:
        """As many as the operator."""
        return self.operator.kept(key, dim)

    def shaped(self, tensors: tuple[Named, ...]) -> Clipped:
        """With the operator shaped."""
        return replace(self, operator=self.operator.shaped(tensors))

    def check(self, dim: int) -> None:
        """The operator must be able to serve the dimension."""
        self.operator.check(dim)

    def _clip(self, rows: Tensor) -> Tensor:
        most = l2_norms(rows) * (self.limit / max(rows.shape[1], 1) ** 0.5)
        bound = most.clamp(max=torch.finfo(rows.dtype).max).to(rows.dtype)[:, None]
        return rows.clamp(min=-bound, max=bound)
