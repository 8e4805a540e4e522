"""BySize: one operator for short rows, another for long ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Coding, Named, Operator, Part, Traits

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code
    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class BySize(Operator):
    """``small`` for rows of fewer than ``limit`` coordinates, ``large`` for all others.

    For instance in ``PerTensor``: biases and scales as they are, matrices compressed.

    Args:
        small: for short rows.
        large: for long rows.
        limit: the smallest dimension that ``large`` serves.
    """

    small: Operator
    large: Operator
    limit: int

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise OperatorError(f"BySize: limit={self.limit} is below 0; choose limit = 1024")

    @property
    def traits(self) -> Traits:
        """What both promise."""
        one, two = self.small.traits, self.large.traits
        return Traits(
            unbiased=one.unbiased and two.unbiased,
            exact=one.exact and two.exact,
            lossless=one.lossless and two.lossless,
            additive=one.additive and two.additive,
            fixed_size=one.fixed_size and two.fixed_size,
            narrow=one.narrow and two.narrow,
            anywhere=one.anywhere and two.anywhere,
            ragged=one.ragged or two.ragged,
        )

    def of(self, dim: int) -> Operator:
        """The operator for rows of ``dim``."""
        return self.small if dim < self.limit else self.large

    def encode(self, rows: Tensor, key: Key) -> Code:
        """As the operator for this size."""
        return self.of(rows.shape[1]).encode(rows, key)

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """As the operator for this size."""
        return self.of(dim).decode(code, key, dim)

    def transmit(self, rows: Tensor, key: Key) -> tuple[Code, Tensor]:
        """As the operator for this size."""
        return self.of(rows.shape[1]).transmit(rows, key)

    def total(self, code: Code, weights: Tensor, key: Key, dim: int) -> Tensor:
        """As the operator for this size."""
        return self.of(dim).total(code, weights, key, dim)

    def omega(self, dim: int) -> float | None:
        """That of the operator for this size."""
        return self.of(dim).omega(dim)

    def delta(self, dim: int) -> float | None:
        """That of the operator for this size."""
        return self.of(dim).delta(dim)

    def contexts(self, key: Key, dim: int) -> Tensor | None:
        """Those of the operator for this size."""
        return self.of(dim).contexts(key, dim)

    def coding(self, dim: int) -> Coding:
        """That of the operator for this size."""
        return self.of(dim).coding(dim)

    def children(self, key: Key, dim: int) -> tuple[Part, ...]:
        """Those of the operator for this size."""
        return self.of(dim).children(key, dim)

    def kept(self, key: Key, dim: int) -> int | None:
        """As many as the operator for this size."""
        return self.of(dim).kept(key, dim)

    def shaped(self, tensors: tuple[Named, ...]) -> BySize:
        """With both operators shaped."""
        return replace(self, small=self.small.shaped(tensors), large=self.large.shaped(tensors))

    def check(self, dim: int) -> None:
        """The operator for this size must be able to serve it."""
        self.of(dim).check(dim)
