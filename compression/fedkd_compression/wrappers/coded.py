"""Coded: what the entropy coder may use beyond what every receiver has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from fedkd_compression.codecs import StaticModel
from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Coding, Operator
from fedkd_compression.wrappers.wrapper import Wrapper

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class Coded(Wrapper):
    """The operator itself, with a model of its symbols that both ends have, or with Zstandard among the codes.

    A shared model spares each message its table: worth it for short messages of an unusual distribution. The model is
    a field, so a receiver with another one, or with none, refuses the frames. Escapes cover any symbol that the model
    lacks, and another code is taken where it is shorter.

    Args:
        operator: has symbols of its own; those of its children are coded as their operators say.
        model: for instance from ``fitted``; None for no shared model.
        zstd: try Zstandard, too: symbols with repetitions. Only where every receiver is known to have it.

    Example:
        >>> operator = Coded.fitted(QSGD(levels=4), rows, Key.of(0))     # rows like those to come
        >>> operator = Coded(QSGD(levels=4), StaticModel(text))          # the other end, with operator.model.text
    """

    model: StaticModel | None = None
    zstd: bool = False

    @classmethod
    def fitted(cls, operator: Operator, rows: Tensor, key: Key) -> Self:
        """With the model of the symbols that an operator makes of rows [n, d].

        Raises:
            OperatorError: the operator has no symbols.
        """
        symbols = operator.encode(rows, key).symbols
        if symbols is None:
            raise OperatorError(f"Coded: {operator} has no symbols; choose a quantiser")
        contexts = operator.contexts(key, rows.shape[1])
        known = None if contexts is None else np.ascontiguousarray(contexts.cpu().numpy().reshape(-1))
        return cls(operator, StaticModel.fit(symbols.cpu().numpy().reshape(-1), known))

    def coding(self, dim: int) -> Coding:
        """The fields."""
        return Coding(self.model, self.zstd)
