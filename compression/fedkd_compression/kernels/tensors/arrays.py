"""Arrays of the host as tensors of the best device that there is."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fedkd_compression.kernels.portable.counts import CONTEXTS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from fedkd_compression.arrays import Octets


@cache
def place() -> torch.device:
    """Where the coder works."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def there(array: NDArray[Any]) -> Tensor:
    """An array's numbers as a tensor; unsigned ones of several bytes in int64, which every operation knows."""
    wide = array.astype(np.int64) if array.dtype in (np.uint16, np.uint32) else array
    # Torch takes no arrays that may not be written to.
    return torch.from_numpy(np.require(wide, requirements=("C", "W"))).to(place())


def contexts_of(contexts: Octets, count: int) -> Tensor:
    """The context of each symbol, int64 [count]; 0 everywhere when none are given."""
    if len(contexts) == 0:
        return torch.zeros(count, dtype=torch.int64, device=place())
    return there(contexts).to(torch.int64).bitwise_and_(CONTEXTS - 1)
