"""Rotated: an operator in randomly rotated coordinates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedkd_compression.operators.base import Coding, Operator, Part, Traits
from fedkd_compression.operators.rotation import check_block, padded, rotate, rotate_back

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code
    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Rotated(Operator):
    """R^T C(R x) with R random signs and a Hadamard transform in blocks: any row looks like a Gaussian one to C.

    R is orthogonal, so omega and delta are the operator's, at the padded dimension. It helps quantisers whose error
    follows the largest coordinate (``QSGD(norm="max")``, ``TernGrad``), and takes from entropy-coded ones what a heavy
    tail gives them; a deterministic rounding of sparse rows is not made unbiased by it.
    Source: Suresh et al. (2017).

    Args:
        operator: works on the rotated rows.
        block: largest block, a power of two up to 8192; rows are padded with zeros to whole blocks.
    """

    operator: Operator
    block: int = 4096

    def __post_init__(self) -> None:
        check_block("Rotated", self.block)

    @property
    def traits(self) -> Traits:
        """The operator's; the error of padding is not received, so that omega is a bound, and rotations round."""
        return replace(self.operator.traits, exact=False, lossless=False)

    def encode(self, rows: Tensor, key: Key) -> Code:
        """The operator's code of the rotated rows."""
        return self.operator.encode(rotate(rows, key.fold("rotation"), self.block), key)

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """What the operator decodes, rotated back."""
        return self._back(self.operator.decode(code, key, padded(dim, self.block)), key, dim)

    def transmit(self, rows: Tensor, key: Key) -> tuple[Code, Tensor]:
        """Both in one pass."""
        code, received = self.operator.transmit(rotate(rows, key.fold("rotation"), self.block), key)
        return code, self._back(received, key, rows.shape[1])

    def omega(self, dim: int) -> float | None:
        """The operator's at the padded dimension."""
        return self.operator.omega(padded(dim, self.block))

    def delta(self, dim: int) -> float | None:
        """The operator's at the padded dimension."""
        return self.operator.delta(padded(dim, self.block))

    def contexts(self, key: Key, dim: int) -> Tensor | None:
        """The operator's at the padded dimension."""
        return self.operator.contexts(key, padded(dim, self.block))

    def coding(self, dim: int) -> Coding:
        """The operator's."""
        return self.operator.coding(padded(dim, self.block))

    def children(self, key: Key, dim: int) -> tuple[Part, ...]:
        """The operator's at the padded dimension."""
        return self.operator.children(key, padded(dim, self.block))

    def check(self, dim: int) -> None:
        """The operator must be able to serve the padded dimension."""
        self.operator.check(padded(dim, self.block))

    def _back(self, received: Tensor, key: Key, dim: int) -> Tensor:
        return rotate_back(received, key.fold("rotation"), dim, self.block)
