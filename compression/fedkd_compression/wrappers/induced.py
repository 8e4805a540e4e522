"""Induced: a contractive operator made unbiased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedkd_compression.code import Code
from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Operator, Part, Traits
from fedkd_compression.operators.checks import expect_children

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Induced(Operator):
    """C(x) = C_1(x) + C_2(x - C_1(x)): a contractive C_1, and an unbiased C_2 of what it loses.

    Unbiased with omega = omega_2 (1 - delta_1). Source: Horvath and Richtarik (2021).

    Args:
        contractive: has a delta.
        unbiased: has an omega.

    Example:
        >>> Induced(TopK(fraction=0.1), RandK(k=100)).omega(dim=1000)
        8.1
    """

    contractive: Operator
    unbiased: Operator

    def __post_init__(self) -> None:
        if not self.unbiased.traits.unbiased:
            raise OperatorError(f"Induced: {self.unbiased} is biased; choose an unbiased operator for what is lost")

    @property
    def traits(self) -> Traits:
        """Unbiased; the rest is what both promise."""
        one, two = self.contractive.traits, self.unbiased.traits
        return Traits(
            unbiased=True,
            exact=one.exact and two.exact and not one.lossless,
            fixed_size=one.fixed_size and two.fixed_size,
            anywhere=one.anywhere and two.anywhere,
            ragged=one.ragged or two.ragged,
        )

    def encode(self, rows: Tensor, key: Key) -> Code:
        """A child for each."""
        return self.transmit(rows, key)[0]

    def transmit(self, rows: Tensor, key: Key) -> tuple[Code, Tensor]:
        """Both in one pass; the second operator needs what the first one's receiver gets anyway."""
        first, rough = self.contractive.transmit(rows, key.fold("contractive"))
        second, rest = self.unbiased.transmit((rows - rough).contiguous(), key.fold("unbiased"))
        return Code(children=(first, second)), rough + rest

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The sum of both."""
        received = [
            part.operator.decode(child, part.key, dim)
            for child, part in zip(expect_children(code, 2), self.children(key, dim), strict=True)
        ]
        return received[0] + received[1]

    def omega(self, dim: int) -> float | None:
        """omega_2 (1 - delta_1)."""
        omega, delta = self.unbiased.omega(dim), self.contractive.delta(dim)
        return None if omega is None or delta is None else omega * (1 - delta)

    def children(self, key: Key, dim: int) -> tuple[Part, ...]:
        """The row, and what the first operator loses of it."""
        return (
            Part(self.contractive, key.fold("contractive"), dim),
            Part(self.unbiased, key.fold("unbiased"), dim),
        )

    def check(self, dim: int) -> None:
        """Both must be able to serve the dimension."""
        self.contractive.check(dim)
        self.unbiased.check(dim)
