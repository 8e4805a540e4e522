"""Random words in tensors of any device; see the portable module for the hash.

Words are int32 here, with the bits of the portable uint32: arithmetic wraps around alike, and shifts to the right are
masked, because int32 shifts in copies of the sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.arrays import Keys


def words(keys: Keys, count: int, device: torch.device | str) -> Tensor:
    """The first words of every stream, int32 [n, count]."""
    low, high = (half[:, None] for half in halves(keys, device))
    x = torch.arange(count, device=device).to(torch.int32) * _signed(0x9E3779B9) + low
    x.bitwise_xor_(shifted(x, 16)).mul_(0x21F0AAAD).bitwise_xor_(high)
    x.bitwise_xor_(shifted(x, 15)).mul_(_signed(0xD35A2D97))
    return x.bitwise_xor_(shifted(x, 15))


def halves(keys: Keys, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Low and high 32 bits of every stream's identity, int32 [n]."""
    both = torch.from_numpy(keys.astype("<u8").view("<i4").reshape(-1, 2)).to(device)
    return both[:, 0], both[:, 1]


def shifted(x: Tensor, bits: int) -> Tensor:
    """The words as unsigned numbers, shifted to the right."""
    return (x >> bits).bitwise_and_((1 << (32 - bits)) - 1)


def uniforms(keys: Keys, count: int, device: torch.device | str) -> Tensor:
    """Multiples of 2^-24 in [0, 1), float32 [n, count]."""
    return shifted(words(keys, count, device), 8).to(torch.float32).mul_(2.0**-24)


def dither(keys: Keys, count: int, device: torch.device | str) -> Tensor:
    """Odd multiples of 2^-25 in (-1/2, 1/2), float32 [n, count]."""
    odd = shifted(words(keys, count, device), 8).mul_(2).sub_((1 << 24) - 1)
    return odd.to(torch.float32).mul_(2.0**-25)


def bins(keys: Keys, count: int, device: torch.device | str) -> Tensor:
    """The top four bits of every word, uint8 [n, count]."""
    return shifted(words(keys, count, device), 28).to(torch.uint8)


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word
