"""What an operator is: encode, decode, and what it promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code
    from fedkd_compression.codecs import StaticModel
    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Traits:
    """What an operator promises; each is checked by a law in ``testing``.

    Args:
        unbiased: E C(x) = x.
        exact: the bound of ``omega`` or ``delta`` is an equality.
        lossless: the received bits are the sent bits.
        additive: C(x) + C(y) = C(x + y) under one key, up to rounding.
        fixed_size: the size of a frame depends on dim and dtype alone.
        narrow: ``decode`` takes symbols in int8, too, as they come when all fit.
        anywhere: ``encode`` and ``decode`` work on tensors of any device; others are given tensors of the CPU.
        ragged: the codes of two rows may differ in size; ``encode`` and ``decode`` are given one row at a time.
    """

    unbiased: bool = False
    exact: bool = False
    lossless: bool = False
    additive: bool = False
    fixed_size: bool = False
    narrow: bool = False
    anywhere: bool = False
    ragged: bool = False


class Named(NamedTuple):
    """One of the tensors that are laid end to end in a row: its name and its shape."""

    name: str
    shape: tuple[int, ...]


class Part(NamedTuple):
    """What both ends know of a child of a code.

    Args:
        operator: made the child's code, and reads it.
        key: its rows' codes are laid end to end in the child.
        dim: dimension of each of the rows.
    """

    operator: Operator
    key: Key
    dim: int


class Coding(NamedTuple):
    """What the entropy coder may use beyond what every receiver has.

    Args:
        shared: a model of the symbols that both ends have, so that no table is sent.
        zstd: whether the receiver is known to have Zstandard.
    """

    shared: StaticModel | None = None
    zstd: bool = False


class Operator(ABC):
    """A compression operator C: pure, stateless; the key is its only randomness, and is never sent.

    Subclasses are frozen dataclasses. One that defines ``encode``, ``decode`` and ``omega`` or ``delta`` gets real
    bytes from ``compress``: its symbols, positions, values and side information are coded for it.
    """

    @property
    def traits(self) -> Traits:
        """What the operator promises; none of it by default. A class whose fields do not matter sets an attribute."""
        return Traits()

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

    def coding(self, dim: int) -> Coding:
        """What the entropy coder may use for the symbols of this operator; ``Coded`` says more than the default."""
        return Coding()

    def children(self, key: Key, dim: int) -> tuple[Part, ...]:
        """The parts whose codes are the children of a code, for a key of one row; none for most operators."""
        return ()

    def shaped(self, tensors: tuple[Named, ...]) -> Operator:
        """The operator for rows that are these tensors laid end to end; most operators do not care."""
        return self

    def kept(self, key: Key, dim: int) -> int | None:
        """How many values a sparsifier sends of a row, which both ends know; None for all other operators."""
        return None

    def total(self, code: Code, weights: Tensor, key: Key, dim: int) -> Tensor:
        """Sum of weights [n] times the decoded rows of a code, all made with the one row of ``key``.

        Weights and the sum [dim] are float64. Overridden where the sum is cheaper than decoding each.
        """
        total = weights.new_zeros(dim)
        for i, weight in enumerate(weights):
            total += self.decode(code.row(i), key, dim)[0].to(weights.dtype) * weight
        return total

    def check(self, dim: int) -> None:
        """Raise OperatorError when the operator cannot serve this dimension."""
        return
