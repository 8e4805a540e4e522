"""ScaledSign: a sign a coordinate, a mean absolute value a block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from fedkd_compression import Code, Operator, OperatorError
from fedkd_compression.operators.checks import expect_side, expect_symbols

if TYPE_CHECKING:
    from fedkd_compression import Key
    from torch import Tensor


@dataclass(frozen=True)
class ScaledSign(Operator):
    """C(x)_j = m_B sign(x_j) for j in block B, where m_B = |x_B|_1 / |B| is the block's mean absolute value.

    For a block of b coordinates |C(x) - x|^2 = |x|^2 - |x|_1^2 / b, and |x|_1 >= |x|: contractive with delta = 1/b.
    Costs at most about 1 bit a coordinate and 32/b more for the means.
    Source: Karimireddy et al., Error Feedback Fixes SignSGD (2019), there with one block.

    Args:
        block: b, coordinates that share a mean, at least 1; the last block may be shorter.

    Example:
        >>> ScaledSign(block=64).delta(dim=1000)
        0.015625
    """

    block: int = 256

    def __post_init__(self) -> None:
        """Refuse what cannot work when the configuration is read: value, bound, fix."""
        if self.block < 1:
            raise OperatorError(f"ScaledSign: block={self.block} is below 1; choose block >= 1")

    def encode(self, rows: Tensor, key: Key) -> Code:
        """Signs [n, d], of which nearly one bit each is sent, and means [n, blocks], which are sent as they are."""
        block_of, blocks = self._blocks(rows.shape[1])
        sums = torch.zeros(len(rows), blocks, dtype=torch.float64)
        sums.scatter_add_(1, block_of.expand(rows.shape), rows.abs().double())
        # Rounded as it is sent, so that both ends multiply by the same number.
        means = (sums / torch.bincount(block_of, minlength=blocks)).to(rows.dtype)
        return Code(symbols=torch.where(rows < 0, -1, 1).int(), side=means)

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The rows [n, dim] that the receiver gets; a code of another shape is refused."""
        block_of, blocks = self._blocks(dim)
        return expect_symbols(code, dim) * expect_side(code, blocks)[:, block_of]

    def delta(self, dim: int) -> float:
        """E|C(x) - x|^2 <= (1 - delta) |x|^2."""
        return 1 / max(1, min(self.block, dim))

    def _blocks(self, dim: int) -> tuple[Tensor, int]:
        """The block of every coordinate, and how many blocks there are."""
        return torch.arange(dim) // self.block, -(-dim // self.block)
