"""What an operator is: encode, decode, and what it promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code
    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Traits:
    """What holds for every setting of an operator; each is checked by a law in ``testing.py``.

    Args:
        unbiased: E C(x) = x.
        exact: the bound of ``omega`` or ``delta`` is an equality.
        lossless: the received bits are the sent bits.
        additive: C(x) + C(y) = C(x + y) under one key, up to rounding.
        fixed_size: the size of a frame depends on dim and dtype alone.
        narrow: ``decode`` takes symbols in int8, too, as they come when all fit.
    """

    unbiased: bool = False
    exact: bool = False
    lossless: bool = False
    additive: bool = False
    fixed_size: bool = False
    narrow: bool = False


class Operator(ABC):
    """A compression operator C: pure, stateless; the key is its only randomness, and is never sent.

    Subclasses are frozen dataclasses. One that defines ``encode``, ``decode`` and ``omega`` or ``delta`` gets real
    bytes from ``compress``: its symbols, positions, values and side information are coded for it.
    """

    traits: ClassVar[Traits] = Traits()

    @abstractmethod
    def encode(self, rows: Tensor, key: Key) -> Code:
        """Encode rows [n, d], float32 or float64; ``key`` has n rows."""

    @abstractmethod
    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The received rows [n, dim], float32, or float64 when side or values are."""

    def transmit(self, rows: Tensor, key: Key) -> tuple[Code, Tensor]:
        """The code of rows [n, d] and the rows that it decodes to; overridden where one pass gives both."""
        code = self.encode(rows, key)
        return code, self.decode(code, key, rows.shape[1])

    def omega(self, dim: int) -> float | None:
        """The smallest known omega with E|C(x) - x|^2 <= omega |x|^2 for an unbiased operator, else None."""
        return None

    def delta(self, dim: int) -> float | None:
        """The largest known delta with E|C(x) - x|^2 <= (1 - delta) |x|^2 for a contractive operator, else None."""
        return None

    def contexts(self, key: Key, dim: int) -> Tensor | None:
        """What both ends know about each symbol, uint8 [n, m] in 0 .. 15, or None.

        The entropy coder may use a table for each context. Context 15 - c must mirror context c: the symbol s is as
        likely in one as -s is in the other.
        """
        return None

    def check(self, dim: int) -> None:
        """Raise OperatorError when the operator cannot serve this dimension."""
        return
