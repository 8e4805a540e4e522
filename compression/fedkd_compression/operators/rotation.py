"""Random rotation of blocks: signs from the key, then a Hadamard transform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd_compression import kernels
from fedkd_compression.errors import OperatorError

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key

LARGEST_BLOCK = 8192


def check_block(name: str, block: int) -> None:
    """Raise OperatorError unless ``block`` is a power of two that the wire format allows."""
    if not 1 <= block <= LARGEST_BLOCK or block & (block - 1):
        raise OperatorError(
            f"{name}: block={block} is no power of two in [1, {LARGEST_BLOCK}]; choose block = {LARGEST_BLOCK // 2}"
        )


def block_of(dim: int, largest: int) -> int:
    """The block for rows of ``dim``: the smallest power of two that holds them, or the largest allowed."""
    return min(largest, 1 << max(dim - 1, 0).bit_length())


def padded(dim: int, largest: int) -> int:
    """The dimension of rotated rows: a whole number of blocks."""
    block = block_of(dim, largest)
    return -(-dim // block) * block


def rotate(rows: Tensor, key: Key, largest: int) -> Tensor:
    """R x = H S x in every block: S random signs, H the Hadamard matrix over the root of its size.

    Rows [n, d] are padded with zeros to [n, padded(d)]; R is orthogonal, so norms and inner products stay.
    """
    count, dim = rows.shape
    block, wide = block_of(dim, largest), padded(dim, largest)
    signed = rows.new_zeros(count, wide)
    torch.mul(rows, key.signs(dim, rows.device), out=signed[:, :dim])
    return kernels.on(rows.device).hadamard(signed, block).mul_(block**-0.5)


def rotate_back(rotated: Tensor, key: Key, dim: int, largest: int) -> Tensor:
    """The inverse of ``rotate``: rows [n, dim] of rotated ones; H is its own inverse."""
    block = block_of(dim, largest)
    signed = kernels.on(rotated.device).hadamard(rotated.contiguous(), block).mul_(block**-0.5)
    return signed[:, :dim] * key.signs(dim, rotated.device)
