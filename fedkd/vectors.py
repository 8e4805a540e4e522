"""A model as one flat vector: one buffer, so one message, one copy to reset, one norm.

Shapes: vector [d], d the number of parameters, in the order of ``module.parameters()``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd.errors import ConfigurationError
from fedkd_compression import Identity, Key, WireError, compress, decompress

if TYPE_CHECKING:
    from torch import Tensor, nn

SHORTEST = 2
"""Bytes of the shortest float that travels."""


def flatten(module: nn.Module) -> Tensor:
    """Copy the parameters of a module into a new vector [d]."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in module.parameters()])


def bind(module: nn.Module) -> Tensor:
    """Move the parameters into one vector [d] and make each a view of it.

    Afterwards writing the vector writes the model, without a copy.

    Raises:
        ConfigurationError: the module keeps buffers (BatchNorm does), which would not travel.
    """
    if next(iter(module.buffers()), None) is not None:
        name = next(iter(dict(module.named_buffers())))
        raise ConfigurationError(f"model: buffer {name} would not travel; choose GroupNorm, which keeps none")
    vector = flatten(module)
    offset = 0
    for parameter in module.parameters():
        size = parameter.numel()
        parameter.data = vector[offset : offset + size].view(parameter.shape)
        offset += size
    return vector


def pack(vector: Tensor) -> bytes:
    """A vector [d] as bytes that check themselves, nothing lost."""
    return compress(Identity(), vector[None], Key.of(0))[0][0]


def unpack(data: bytes | memoryview, dim: int) -> Tensor:
    """The vector [dim] that was packed.

    Raises:
        WireError: the bytes are damaged, or of another dimension.
    """
    if SHORTEST * dim > len(data):
        # A dimension may have come with the bytes: then this alone bounds what a frame can ask for.
        raise WireError(f"vector: dim={dim} in {len(data)} bytes; {SHORTEST * dim} are the fewest")
    return decompress(Identity(), [data], Key.of(0), dim)[0]
