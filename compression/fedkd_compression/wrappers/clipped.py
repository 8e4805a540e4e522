"""Clipped: large coordinates are cut down before an operator sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Traits
from fedkd_compression.operators.norms import l2_norms
from fedkd_compression.wrappers.scaled import Scaled
from fedkd_compression.wrappers.wrapper import Wrapper

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code
    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Clipped(Wrapper):
    """C(y) with y_j = x_j cut to [-limit RMS(x), limit RMS(x)]: a few large coordinates do not set the scale of all.

    Biased. With a = |y|^2/|x|^2 >= min(1, limit^2)/d, an unbiased C with omega < 1 gives delta = (1 - omega) a, and
    ``Scaled`` with its delta gives delta a: |y - x|^2 = |x|^2 - |y|^2 - 2 <y, x - y>, and <y, x - y> >= 0.
    Source: Wen et al., TernGrad (2017), where limit is 2.5.

    Args:
        operator: works on the clipped rows.
        limit: in units of the row's RMS, > 0.
    """

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

    def transmit(self, rows: Tensor, key: Key) -> tuple[Code, Tensor]:
        """Both in one pass."""
        return self.operator.transmit(self._clip(rows), key)

    def omega(self, dim: int) -> None:
        """It is biased."""
        return

    def delta(self, dim: int) -> float | None:
        """A bound, for an unbiased operator with omega < 1 and for ``Scaled``; else None."""
        least, omega = min(1.0, self.limit**2) / max(dim, 1), self.operator.omega(dim)
        if isinstance(self.operator, Scaled):
            return self.operator.delta(dim) * least
        return (1 - omega) * least if omega is not None and omega < 1 else None

    def _clip(self, rows: Tensor) -> Tensor:
        most = l2_norms(rows) * (self.limit / max(rows.shape[1], 1) ** 0.5)
        bound = most.clamp(max=torch.finfo(rows.dtype).max).to(rows.dtype)[:, None]
        return rows.clamp(min=-bound, max=bound)
