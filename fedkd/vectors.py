"""A model as one flat vector: one buffer, so one message, one copy to reset, one norm.

Shapes: vector [d], d the number of parameters, in the order of ``module.parameters()``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from fedkd.errors import ConfigurationError
from fedkd_compression import Identity, Key, WireError, compress, decompress

if TYPE_CHECKING:
    from torch import Tensor, nn

SHORTEST = 2
"""Bytes of the shortest float that travels."""


class Flat:
    """Parameters that are views of one buffer [..., d]: writing the buffer writes all of them.

    With ``channels_last`` the weights of convolutions lie in the buffer as convolutions on a CPU read them, channels
    innermost; vectors are always in the order of ``module.parameters()``, so that nobody else needs to know.

    Args:
        buffer: [..., d]; with ``channels_last`` it has no dimensions before the last.
        shapes: of the parameters, in order.
        channels_last: whether weights of four dimensions are kept so.

    Example:
        >>> flat = Flat(torch.zeros(6), [(2, 2), (2,)])
        >>> flat.load(torch.arange(6.0))
        >>> flat.views[1]
        tensor([4., 5.])
    """

    def __init__(self, buffer: Tensor, shapes: Sequence[tuple[int, ...]], channels_last: bool = False) -> None:
        self.buffer, self.shapes, self.channels_last = buffer, tuple(shapes), channels_last
        self.views: list[Tensor] = []
        self._turned: list[tuple[slice, Tensor]] = []
        start = 0
        for shape in self.shapes:
            place = slice(start, start + math.prod(shape))
            self.views.append(self._view(place, shape))
            start = place.stop

    def load(self, x: Tensor) -> None:
        """Copy vectors [..., d] into the buffer."""
        self.buffer.copy_(x)
        for place, view in self._turned:
            view.copy_(x[place].view(view.shape))

    def read(self) -> Tensor:
        """The parameters as new vectors [..., d]."""
        x = self.buffer.clone()
        for place, view in self._turned:
            x[place].view(view.shape).copy_(view)
        return x

    def difference(self, x: Tensor) -> Tensor:
        """X minus the parameters, as new vectors [..., d]: one pass."""
        change = x - self.buffer
        for place, view in self._turned:
            torch.sub(x[place].view(view.shape), view, out=change[place].view(view.shape))
        return change

    def zeros(self) -> Flat:
        """Zeros that lie as these parameters do."""
        return Flat(torch.zeros_like(self.buffer), self.shapes, self.channels_last)

    def first(self, count: int) -> Flat:
        """The first of several models [K, d], as views."""
        return Flat(self.buffer[:count], self.shapes, self.channels_last)

    def _view(self, place: slice, shape: tuple[int, ...]) -> Tensor:
        part = self.buffer[..., place]
        if not (self.channels_last and len(shape) == 4):
            return part.view(*self.buffer.shape[:-1], *shape)
        outputs, inputs, height, width = shape
        view = part.view(outputs, height, width, inputs).permute(0, 3, 1, 2)
        self._turned.append((place, view))
        return view


def flatten(module: nn.Module) -> Tensor:
    """Copy the parameters of a module into a new vector [d]."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in module.parameters()])


def unflatten(module: nn.Module, x: Tensor) -> None:
    """Copy a vector [d] into the parameters of a module, wherever these lie."""
    sizes = [parameter.numel() for parameter in module.parameters()]
    for parameter, part in zip(module.parameters(), torch.split(x, sizes), strict=True):
        parameter.data.copy_(part.view(parameter.shape))


def bind(module: nn.Module, channels_last: bool = False) -> Flat:
    """Move the parameters into one buffer and make each a view of it.

    Afterwards writing the buffer writes the model, without a copy.

    Raises:
        ConfigurationError: the module keeps buffers (BatchNorm does), which would not travel.
    """
    if next(iter(module.buffers()), None) is not None:
        name = next(iter(dict(module.named_buffers())))
        raise ConfigurationError(f"model: buffer {name} would not travel; choose GroupNorm, which keeps none")
    vector = flatten(module)
    flat = Flat(vector.clone(), [tuple(parameter.shape) for parameter in module.parameters()], channels_last)
    flat.load(vector)
    for parameter, view in zip(module.parameters(), flat.views, strict=True):
        parameter.data = view
    return flat


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
