"""Sums of updates: exact, so that neither the order of terms nor who adds them leaves a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import torch

from fedkd.algorithms.abreast import abreast, cores
from fedkd.messages import Message
from fedkd_compression import ExactSum, OperatorError, WireError, exact_total, use_threads

if TYPE_CHECKING:
    from torch import Tensor

Result = TypeVar("Result")

HELD = 1 << 26
"""Values of rows that wait for each other before they are added: 256 MB of float32."""


class Totals(NamedTuple):
    """What updates add up to, float64 [d]; ``ahead`` as in ``Partial``."""

    total: Tensor
    ahead: Tensor | None


class Partial:
    """What updates add up to; the order of addition leaves no trace.

    Attributes:
        total: sum of w_i (h_i + D_i) for PP1, of w_i D_i for PP2 [d].
        ahead: the part of the latter that came in full, where memories start with their first vector; else None.
        beside: sum of what clients sent beside their updates; None where they send nothing.
    """

    def __init__(self, total: ExactSum, ahead: ExactSum | None = None, beside: ExactSum | None = None) -> None:
        self.total, self.ahead, self.beside = total, ahead, beside

    def add_ahead(self, change: Tensor, weight: float) -> None:
        """Add what came in full."""
        if self.ahead is None:
            self.ahead = ExactSum.zeros(len(change))
        self.ahead.add(change, weight)

    def add_beside(self, vector: Tensor) -> None:
        """Add what a client sent beside its update."""
        if self.beside is None:
            self.beside = ExactSum.zeros(len(vector))
        self.beside.add(vector)

    def merge(self, other: Partial) -> None:
        """Add what another has added up."""
        self.total.merge(other.total)
        self.ahead = _merged(self.ahead, other.ahead)
        self.beside = _merged(self.beside, other.beside)

    @staticmethod
    def merged(partials: Sequence[Partial]) -> Partial | None:
        """The first of them, with the others added; None of none."""
        for other in partials[1:]:
            partials[0].merge(other)
        return partials[0] if partials else None

    def totals(self) -> Totals:
        """Rounded."""
        return Totals(self.total.total(), None if self.ahead is None else self.ahead.total())

    def pack(self) -> tuple[bytes, ...]:
        """Its bytes, which check themselves; what is not there has none, and none after the last that is there."""
        parts = tuple(b"" if part is None else part.pack() for part in (self.total, self.ahead, self.beside))
        return parts if parts[2] else parts[: 2 if parts[1] else 1]

    @staticmethod
    def unpack(parts: Sequence[bytes | memoryview], dim: int, beside: int = 0) -> Partial:
        """Read it.

        Args:
            parts: as packed.
            dim: d.
            beside: numbers that a client sends beside its update.

        Raises:
            WireError: damaged, of another dimension, or no sum at all.
        """
        if not 1 <= len(parts) <= 3:
            raise WireError(f"sum: {len(parts)} parts, not the one to three of a worker's clients")
        lengths = (dim, dim, beside)
        sums = [ExactSum.unpack(part, size) if part else None for part, size in zip(parts, lengths, strict=False)]
        if sums[0] is None:
            raise WireError("sum: its first part is empty")
        return Partial(sums[0], *sums[1:])


def _merged(one: ExactSum | None, other: ExactSum | None) -> ExactSum | None:
    """The sum of both; of one, where the other is not there."""
    if one is None or other is None:
        return one or other
    one.merge(other)
    return one


class Terms:
    """Weighted rows [d] on their way into one sum, which is made in one pass when all are there.

    An error names the client (OperatorError).

    Args:
        dim: d.
    """

    def __init__(self, dim: int) -> None:
        self._dim, self._most = dim, max(HELD // max(dim, 1), 1)
        self._rows: list[tuple[Message, Tensor, float]] = []
        self._before: ExactSum | None = None

    def of(
        self, replies: Sequence[Message], work: Callable[[Message], Result], threads: int
    ) -> Iterator[tuple[Message, Result]]:
        """Replies with what work makes of each, in order; of no more than may be held at a time."""
        for start in range(0, len(replies), self._most):
            some = replies[start : start + self._most]
            yield from zip(some, abreast(work, some, threads), strict=True)

    def add(self, reply: Message, row: Tensor, weight: float) -> None:
        """Add weight * row of a reply; the row is kept, and must not change."""
        if len(self._rows) == self._most:
            self._flush()
        self._rows.append((reply, row, weight))

    def total(self) -> Tensor | None:
        """The sum, float64 [d]; None of no rows."""
        if self._before is not None:
            self._flush()
            return self._before.total()
        if not self._rows:
            return None
        try:
            with use_threads(cores()):
                return exact_total([row for _, row, _ in self._rows], [weight for *_, weight in self._rows])
        except OperatorError:
            self._flush()  # Which client is it?
            raise

    def _flush(self) -> None:
        """Add the rows that are held to those before."""
        before = self._before = self._before or ExactSum.zeros(self._dim)
        rows, self._rows = self._rows, []
        for reply, row, weight in rows:
            try:
                before.add(row, weight)
            except OperatorError as error:
                raise OperatorError(f"client {reply.client}, round {reply.round}: {error}") from None


def totals_of(terms: Terms, ahead: Terms, dim: int) -> Totals:
    """What terms, and those among them that came in full, add up to."""
    total = terms.total()
    return Totals(torch.zeros(dim, dtype=torch.float64) if total is None else total, ahead.total())
