"""RandK: a random subset of the coordinates, which both ends draw from the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from fedkd_compression import kernels
from fedkd_compression.code import Code
from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_values

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class RandK(Operator):
    """Keep k coordinates drawn from the shared key, scaled by dim/k so that E C(x) = x.

    omega = dim/k - 1 exactly. The positions are never sent: both ends draw them, the k largest random words.

    Args:
        k: number of coordinates kept, in [1, dim].

    Example:
        >>> RandK(k=10).omega(dim=100)
        9.0
    """

    k: int
    traits: ClassVar[Traits] = Traits(unbiased=True, exact=True, additive=True, fixed_size=True)

    def __post_init__(self) -> None:
        if self.k < 1:
            raise OperatorError(f"RandK: k={self.k} is below 1; choose k >= 1")

    def encode(self, rows: Tensor, key: Key) -> Code:
        """The drawn coordinates [n, k], as they are."""
        return Code(values=rows.gather(1, self._drawn(key, rows.shape[1])))

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The drawn coordinates times dim/k, zeros elsewhere."""
        values = expect_values(code, self.k)
        return values.new_zeros(len(values), dim).scatter_(1, self._drawn(key, dim), values * (dim / self.k))

    def omega(self, dim: int) -> float:
        """Each coordinate is kept with probability k/dim."""
        return dim / self.k - 1

    def check(self, dim: int) -> None:
        """There must be k coordinates."""
        if self.k > dim:
            raise OperatorError(f"RandK: k={self.k} exceeds dim={dim}; choose k <= dim")

    def _drawn(self, key: Key, dim: int) -> Tensor:
        positions = [kernels.backend().largest(words, self.k) for words in key.words(dim)]
        return torch.from_numpy(np.stack(positions)) if positions else torch.empty(0, self.k, dtype=torch.int64)
