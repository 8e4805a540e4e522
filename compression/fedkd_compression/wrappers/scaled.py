"""Scaled: an unbiased operator made contractive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Traits
from fedkd_compression.wrappers.wrapper import Wrapper

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code
    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Scaled(Wrapper):
    """C(x)/(1 + omega): the multiple of an unbiased C that errs least; contractive with delta = 1/(1 + omega).

    E|C(x)/(1 + omega) - x|^2 = (E|C(x)|^2/(1 + omega)^2 - 2/(1 + omega) + 1)|x|^2 <= (1 - 1/(1 + omega))|x|^2, with
    equality where omega is exact. Source: folklore; for instance Richtarik et al., EF21 (2021).

    Args:
        operator: unbiased, with an omega.

    Example:
        >>> Scaled(RandK(k=10)).delta(dim=100)
        0.1
    """

    def __post_init__(self) -> None:
        if not self.operator.traits.unbiased:
            raise OperatorError(f"Scaled: {self.operator} is biased; choose an unbiased operator")

    @property
    def traits(self) -> Traits:
        """The operator's, but biased."""
        return replace(self.operator.traits, unbiased=False, lossless=False)

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

    def omega(self, dim: int) -> None:
        """It is biased."""
        return

    def delta(self, dim: int) -> float:
        """1/(1 + omega)."""
        return 1 / (1 + (self.operator.omega(dim) or 0.0))
