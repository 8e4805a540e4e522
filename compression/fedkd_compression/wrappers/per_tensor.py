"""PerTensor: an operator for each of the tensors that a row is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from fedkd_compression.code import Code
from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Named, Operator, Part, Traits
from fedkd_compression.operators.checks import expect_children

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class PerTensor(Operator):
    """Cut a row into its tensors, and compress each with the operator of the first pattern that its name matches.

    Each tensor has scales and tables of its own. omega is the largest of all tensors', delta the smallest.

    Args:
        operators: pattern (as of file names: ``*.bias``) to operator; the last one is usually ``*``.
        tensors: names and shapes, in the order in which they are laid end to end; ``shaped`` fills them in.

    Example:
        >>> PerTensor({"*.bias": Identity(), "*": LowRank(rank=2)}).shaped((Named("w", (9, 5)), Named("w.bias", (9,))))
    """

    operators: dict[str, Operator]
    tensors: tuple[Named, ...] = field(default=(), metadata={"configured": False})

    def __post_init__(self) -> None:
        if not self.operators:
            raise OperatorError("PerTensor: 0 operators; give a pattern and an operator, for example '*'")
        for tensor in self.tensors:
            self._operator(tensor)

    @property
    def traits(self) -> Traits:
        """What all promise."""
        all_of = [operator.traits for operator in self.operators.values()]
        return Traits(
            unbiased=all(traits.unbiased for traits in all_of),
            lossless=all(traits.lossless for traits in all_of),
            additive=all(traits.additive for traits in all_of),
            fixed_size=all(traits.fixed_size for traits in all_of),
            anywhere=all(traits.anywhere for traits in all_of),
            ragged=any(traits.ragged for traits in all_of),
        )

    def encode(self, rows: Tensor, key: Key) -> Code:
        """A child for each tensor."""
        return self.transmit(rows, key)[0]

    def transmit(self, rows: Tensor, key: Key) -> tuple[Code, Tensor]:
        """Both in one pass."""
        self.check(rows.shape[1])
        parts = self.children(key, rows.shape[1])
        pieces = torch.split(rows, [part.dim for part in parts], dim=1)
        sent = [part.operator.transmit(piece.contiguous(), part.key) for piece, part in zip(pieces, parts, strict=True)]
        return Code(children=tuple(code for code, _ in sent)), torch.cat([received for _, received in sent], dim=1)

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The tensors, decoded and laid end to end."""
        parts = self.children(key, dim)
        received = [
            part.operator.decode(child, part.key, part.dim)
            for child, part in zip(expect_children(code, len(parts)), parts, strict=True)
        ]
        return torch.cat(received, dim=1)

    def omega(self, dim: int) -> float | None:
        """The largest; before the tensors are known, as if each were the whole row."""
        found = [operator.omega(size) for operator, size in self._sizes(dim)]
        return None if any(omega is None for omega in found) else max(omega for omega in found if omega is not None)

    def delta(self, dim: int) -> float | None:
        """The smallest; before the tensors are known, as if each were the whole row."""
        found = [operator.delta(size) for operator, size in self._sizes(dim)]
        return None if any(delta is None for delta in found) else min(delta for delta in found if delta is not None)

    def children(self, key: Key, dim: int) -> tuple[Part, ...]:
        """The tensors."""
        return tuple(
            Part(operator, key.fold("tensor", index), size) for index, (operator, size) in enumerate(self._resolved)
        )

    def shaped(self, tensors: tuple[Named, ...]) -> PerTensor:
        """The same patterns for rows that are these tensors."""
        return replace(self, tensors=tensors)

    def check(self, dim: int) -> None:
        """The tensors must fill the row, and each operator must be able to serve its own."""
        if self.tensors and (total := sum(size for _, size in self._resolved)) != dim:
            raise OperatorError(f"PerTensor: tensors of {total} coordinates for dim={dim}; give the row's own tensors")
        for operator, size in self._sizes(dim):
            operator.check(size)

    @cached_property
    def _resolved(self) -> tuple[tuple[Operator, int], ...]:
        """Operator and size of every tensor."""
        if not self.tensors:
            raise OperatorError("PerTensor: 0 tensors; call shaped(tensors) with names and shapes first")
        return tuple((self._operator(tensor).shaped((tensor,)), math.prod(tensor.shape)) for tensor in self.tensors)

    def _sizes(self, dim: int) -> tuple[tuple[Operator, int], ...]:
        return self._resolved if self.tensors else tuple((operator, dim) for operator in self.operators.values())

    def _operator(self, tensor: Named) -> Operator:
        for pattern, operator in self.operators.items():
            if fnmatchcase(tensor.name, pattern):
                return operator
        raise OperatorError(f"PerTensor: no pattern matches {tensor.name!r}; end with the pattern '*'")
