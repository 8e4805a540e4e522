"""How kernels are launched: every row cut into blocks, a program for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
import triton

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.arrays import Keys

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile at the first launch, for the types of its arguments."""
    return cast(Function, triton.jit(function))


def launch(kernel: Any, rows: Tensor, *others: Tensor, block: int = 1024) -> None:
    """Run a kernel on rows or symbols [n, d] and further tensors, with a program for every ``block`` coordinates."""
    count, dim = rows.shape
    blocks = -(-dim // block)
    if count * blocks:
        # Triton launches on the current device, wherever the tensors are.
        with torch.cuda.device(rows.get_device()):
            kernel[(count * blocks,)](rows.contiguous(), *others, dim, blocks, block=block, enable_fp_fusion=False)


def streams(keys: Keys, like: Tensor) -> Tensor:
    """Keys as int64 [n], where a tensor is."""
    return torch.from_numpy(keys.astype(np.int64)).to(like.device)
