"""Bucketed: an operator on each of many short pieces of a row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Coding, Operator, Part, Traits
from fedkd_compression.wrappers.end_to_end import joined, parted

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.code import Code
    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Bucketed(Operator):
    """Compress each bucket of a row by itself: a scale a bucket, and an omega that does not grow with the dimension.

    A row of d coordinates is cut into b = ceil(d/size) buckets of ceil(d/b) (the last is padded with fewer than b
    zeros). omega and delta are the operator's at that size. The codes of all buckets share one entropy-coded stream.
    Source: Alistarh et al., QSGD (2017).

    Args:
        operator: what is done to a bucket.
        size: largest number of coordinates in a bucket, >= 1.

    Example:
        >>> Bucketed(QSGD(levels=4), size=512).omega(dim=1_000_000)     # that of 512 coordinates
        5.65...
    """

    operator: Operator
    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise OperatorError(f"Bucketed: size={self.size} is below 1; choose size = 512")
        if isinstance(self.operator, Bucketed):
            raise OperatorError(f"Bucketed: {self.operator} has buckets already; choose one size")
        if self.operator.traits.ragged:
            raise OperatorError(
                f"Bucketed: codes of {self.operator} vary in size; choose one of fixed number of entries"
            )

    @property
    def traits(self) -> Traits:
        """The operator's; the error of padding is not received, so that omega is a bound."""
        return replace(self.operator.traits, exact=False)

    def encode(self, rows: Tensor, key: Key) -> Code:
        """The buckets' codes, end to end."""
        part = self._part(key, rows.shape[1])
        return joined(self.operator.encode(self._cut(rows), part.key), self._count(rows.shape[1]), part)

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The buckets, decoded and laid end to end."""
        part = self._part(key, dim)
        return self._uncut(self.operator.decode(parted(code, self._count(dim), part), part.key, part.dim), dim)

    def transmit(self, rows: Tensor, key: Key) -> tuple[Code, Tensor]:
        """Both in one pass."""
        dim, part = rows.shape[1], self._part(key, rows.shape[1])
        code, received = self.operator.transmit(self._cut(rows), part.key)
        return joined(code, self._count(dim), part), self._uncut(received, dim)

    def omega(self, dim: int) -> float | None:
        """The operator's for one bucket."""
        return self.operator.omega(self._each(dim))

    def delta(self, dim: int) -> float | None:
        """The operator's for one bucket."""
        return self.operator.delta(self._each(dim))

    def contexts(self, key: Key, dim: int) -> Tensor | None:
        """The buckets' contexts, end to end."""
        part = self._part(key, dim)
        contexts = self.operator.contexts(part.key, part.dim)
        return None if contexts is None else contexts.reshape(len(key.rows), self._count(dim) * contexts.shape[1])

    def coding(self, dim: int) -> Coding:
        """The operator's."""
        return self.operator.coding(self._each(dim))

    def children(self, key: Key, dim: int) -> tuple[Part, ...]:
        """The buckets' children."""
        part = self._part(key, dim)
        return self.operator.children(part.key, part.dim)

    def kept(self, key: Key, dim: int) -> int | None:
        """As many as in all buckets."""
        kept = self.operator.kept(key, self._each(dim))
        return None if kept is None else kept * self._count(dim)

    def check(self, dim: int) -> None:
        """The operator must be able to serve a bucket."""
        self.operator.check(self._each(dim))

    def _count(self, dim: int) -> int:
        return max(-(-dim // self.size), 1)

    def _each(self, dim: int) -> int:
        return -(-dim // self._count(dim))

    def _part(self, key: Key, dim: int) -> Part:
        return Part(self.operator, key.spread(self._count(dim)), self._each(dim))

    def _cut(self, rows: Tensor) -> Tensor:
        """Rows [n, d] as buckets [n b, each]."""
        count, each = self._count(rows.shape[1]), self._each(rows.shape[1])
        if count * each == rows.shape[1]:
            return rows.reshape(len(rows) * count, each)
        padded = rows.new_zeros(len(rows), count * each)
        padded[:, : rows.shape[1]] = rows
        return padded.reshape(len(rows) * count, each)

    def _uncut(self, buckets: Tensor, dim: int) -> Tensor:
        count = self._count(dim)
        return buckets.reshape(len(buckets) // count, count * self._each(dim))[:, :dim].contiguous()
