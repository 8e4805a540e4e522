"""What is common to wrappers that leave a code as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from fedkd_compression.operators.base import Coding, Named, Operator, Part, Traits

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code
    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Wrapper(Operator):
    """Everything is the operator's; subclasses say what is not.

    Args:
        operator: what is inside.
    """

    operator: Operator

    @property
    def traits(self) -> Traits:
        """The operator's."""
        return self.operator.traits

    def encode(self, rows: Tensor, key: Key) -> Code:
        """The operator's code."""
        return self.operator.encode(rows, key)

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """What the operator decodes."""
        return self.operator.decode(code, key, dim)

    def transmit(self, rows: Tensor, key: Key) -> tuple[Code, Tensor]:
        """Both in one pass."""
        return self.operator.transmit(rows, key)

    def total(self, code: Code, weights: Tensor, key: Key, dim: int) -> Tensor:
        """The operator's sum."""
        return self.operator.total(code, weights, key, dim)

    def omega(self, dim: int) -> float | None:
        """The operator's."""
        return self.operator.omega(dim)

    def delta(self, dim: int) -> float | None:
        """The operator's."""
        return self.operator.delta(dim)

    def contexts(self, key: Key, dim: int) -> Tensor | None:
        """The operator's."""
        return self.operator.contexts(key, dim)

    def coding(self, dim: int) -> Coding:
        """The operator's."""
        return self.operator.coding(dim)

    def children(self, key: Key, dim: int) -> tuple[Part, ...]:
        """The operator's."""
        return self.operator.children(key, dim)

    def kept(self, key: Key, dim: int) -> int | None:
        """As many as the operator."""
        return self.operator.kept(key, dim)

    def shaped(self, tensors: tuple[Named, ...]) -> Self:
        """With the operator shaped."""
        return replace(self, operator=self.operator.shaped(tensors))

    def check(self, dim: int) -> None:
        """The operator must be able to serve the dimension."""
        self.operator.check(dim)
