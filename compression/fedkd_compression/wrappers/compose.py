"""Compose: a sparsifier, then a quantiser of the values that it keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedkd_compression.errors import OperatorError
from fedkd_compression.keys import Key
from fedkd_compression.operators.base import Operator, Part, Traits
from fedkd_compression.operators.checks import expect_children

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code


@dataclass(frozen=True)
class Compose(Operator):
    """Send the positions that a sparsifier chooses, and its values through a quantiser: top-k of few bits a value.

    Two unbiased operators: omega = (1 + omega_1)(1 + omega_2) - 1. A sparsifier that keeps coordinates as they are
    (delta_1) and a quantiser with omega_2 < 1: delta = delta_1 (1 - omega_2); with delta_2: delta = delta_1 delta_2,
    for what the quantiser loses is orthogonal to what was dropped.
    Source: Basu et al., Qsparse-local-SGD (2019).

    Args:
        sparsifier: has ``kept``: TopK, RandK, RandP, or Bucketed of one.
        quantiser: any operator.

    Example:
        >>> Compose(TopK(fraction=0.01), DeadZone(step=0.5))     # about 0.12 bits a coordinate, positions included
    """

    sparsifier: Operator
    quantiser: Operator

    def __post_init__(self) -> None:
        if type(self.sparsifier).kept is Operator.kept:
            raise OperatorError(f"Compose: {self.sparsifier} is no sparsifier; choose TopK, RandK or RandP")

    @property
    def traits(self) -> Traits:
        """What both promise."""
        one, two = self.sparsifier.traits, self.quantiser.traits
        return Traits(
            unbiased=one.unbiased and two.unbiased,
            exact=one.exact and two.exact and one.unbiased and two.unbiased,
            lossless=one.lossless and two.lossless,
            additive=one.additive and two.additive,
            fixed_size=one.fixed_size and two.fixed_size,
            anywhere=one.anywhere and two.anywhere,
            ragged=one.ragged or two.ragged,
        )

    def encode(self, rows: Tensor, key: Key) -> Code:
        """The sparsifier's code, with its values' code as a child."""
        code = self.sparsifier.encode(rows, key)
        return self._with_child(code, self.quantiser.encode(self._values(code), self._inner(key)))

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The values, decoded and put in place."""
        (child,) = expect_children(code, 1)
        values = self.quantiser.decode(child, self._inner(key), self._kept(key, dim))
        return self.sparsifier.decode(replace(code, values=values, children=()), key, dim)

    def transmit(self, rows: Tensor, key: Key) -> tuple[Code, Tensor]:
        """Both in one pass."""
        code = self.sparsifier.encode(rows, key)
        child, values = self.quantiser.transmit(self._values(code), self._inner(key))
        received = self.sparsifier.decode(replace(code, values=values), key, rows.shape[1])
        return self._with_child(code, child), received

    def omega(self, dim: int) -> float | None:
        """(1 + omega_1)(1 + omega_2) - 1."""
        one, two = self.sparsifier.omega(dim), self.quantiser.omega(self._most(dim))
        return None if one is None or two is None else (1 + one) * (1 + two) - 1

    def delta(self, dim: int) -> float | None:
        """delta_1 (1 - omega_2), or delta_1 delta_2."""
        one, omega, two = self.sparsifier.delta(dim), self.quantiser.omega(self._most(dim)), None
        if omega is None:
            two = self.quantiser.delta(self._most(dim))
        elif omega < 1:
            two = 1 - omega
        return None if one is None or two is None else one * two

    def children(self, key: Key, dim: int) -> tuple[Part, ...]:
        """The values."""
        return (Part(self.quantiser, self._inner(key), self._kept(key, dim)),)

    def check(self, dim: int) -> None:
        """Both must be able to serve what they get."""
        self.sparsifier.check(dim)
        self.quantiser.check(self._most(dim))

    @staticmethod
    def _inner(key: Key) -> Key:
        return key.fold("quantiser")

    def _kept(self, key: Key, dim: int) -> int:
        kept = self.sparsifier.kept(key.row(0), dim)
        if kept is None:
            raise OperatorError(f"Compose: {self.sparsifier} is no sparsifier; choose TopK, RandK or RandP")
        return kept

    def _most(self, dim: int) -> int:
        """How many values there are at most."""
        return dim if self.sparsifier.traits.ragged else self._kept(Key.of(0), dim)

    def _values(self, code: Code) -> Tensor:
        if code.values is None:
            raise OperatorError(f"Compose: {self.sparsifier} sends no values; choose TopK, RandK or RandP")
        return code.values.contiguous()

    @staticmethod
    def _with_child(code: Code, child: Code) -> Code:
        return replace(code, values=None, children=(child,))
