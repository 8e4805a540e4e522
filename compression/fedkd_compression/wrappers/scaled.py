"""Scaled: an unbiased operator made contractive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Named, Operator, Part, Traits

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code
    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Scaled(Operator):
    """C(x)/(1 + omega): the multiple of an unbiased C that errs least; contractive with delta = 1/(1 + omega).

    E|C(x)/(1 + omega) - x|^2 = (E|C(x)|^2/(1 + omega)^2 - 2/(1 + omega) + 1)|x|^2 <= (1 - 1/(1 + omega))|x|^2, with
    equality where omega is exact. Source: folklore; for instance Richtarik et al., EF21 (2021).

    Args:
        operator: unbiased, with an omega.

    Example:
        >>> Scaled(RandK(k=10)).delta(dim=100)
        0.1
    """

    operator: Operator

    def __post_init__(self) -> None:
        if not self.operator.traits.unbiased:
            raise OperatorError(f"Scaled: {self.operator} is biased; choose an unbiased operator")

    @property
    def traits(self) -> Traits:
        """The operator's, but biased."""
        return replace(self.operator.traits, unbiased=False, lossless=False)

    def encode(self, rows: Tensor, key: Key) -> Code:
        """The operator's code."""
        return self.operator.encode(rows, key)

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """What the operator decodes, times delta."""
        return self.operator.decode(code, key, dim) * self.delta(dim)

    def transmit(self, rows: Tensor, key: Key) -> tuple[Code, Tensor]:
        """Both in one pass."""
        code, received = self.operator.transmit(rows, key)
        return code, received * self.delta(rows.shape[1])

    def total(self, code: Code, weights: Tensor, key: Key, dim: int) -> Tensor:
        """The operator's sum, times delta."""
        return self.operator.total(code, weights, key, dim) * self.delta(dim)

    def delta(self, dim: int) -> float:
        """1/(1 + omega)."""
        return 1 / (1 + (self.operator.omega(dim) or 0.0))

    def contexts(self, key: Key, dim: int) -> Tensor | None:
        """The operator's."""
        return self.operator.contexts(key, dim)

    def children(self, key: Key, dim: int) -> tuple[Part, ...]:
        """The operator's."""
        return self.operator.children(key, dim)

    def kept(self, key: Key, dim: int) -> int | None:
        """As many as the operator."""
        return self.operator.kept(key, dim)

    def shaped(self, tensors: tuple[Named, ...]) -> Scaled:
        """With the operator shaped."""
        return replace(self, operator=self.operator.shaped(tensors))

    def check(self, dim: int) -> None:
        """The operator must be able to serve the dimension."""
        self.operator.check(dim)
