"""A model as one flat vector: one buffer, so one message, one copy to reset, one norm.

Shapes: vector [d]: the parameters in the order of ``module.parameters()``, then the buffers in that of
``module.buffers()``. Buffers, as the running statistics of BatchNorm, travel although no gradient moves them.
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
    """Tensors that are views of one buffer [..., d]: writing the buffer writes all of them.

    With ``channels_last`` the weights of convolutions lie in the buffer as convolutions on a CPU read them, channels
    innermost; vectors always have the elements of a tensor in its own order, so that nobody else needs to know.

    Args:
        buffer: [..., d]; with ``channels_last`` it has no dimensions before the last.
        shapes: of the tensors, in order.
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
        """The tensors as new vectors [..., d]."""
        x = self.buffer.clone()
        for place, view in self._turned:
            x[place].view(view.shape).copy_(view)
        return x

    def difference(self, x: Tensor) -> Tensor:
        """X minus the tensors, as new vectors [..., d]: one pass."""
        change = x - self.buffer
        for place, view in self._turned:
            torch.sub(x[place].view(view.shape), view, out=change[place].view(view.shape))
        return change

    def zeros(self) -> Flat:
        """Zeros that lie as these tensors do."""
        return Flat(torch.zeros_like(self.buffer), self.shapes, self.channels_last)

    def first(self, count: int) -> Flat:
        """The first of several models [K, d], as views."""
        return Flat(self.buffer[:count], self.shapes, self.channels_last)

    def laid(self, x: Tensor) -> Tensor:
        """Samples as convolutions with these weights want them: with ``channels_last``, channels innermost."""
        if not self.channels_last or x.ndim != 4:
            return x
        if x.shape[1] == 1 and x.is_contiguous():
            # Of one channel both orders are the same bytes; only these strides tell the convolution which is meant.
            return x.as_strided(x.shape, (x.stride(0), 1, x.stride(2), 1))
        return x.contiguous(memory_format=torch.channels_last)

    def row(self, index: int) -> Flat:
        """One of several models [K, d], as a view."""
        return Flat(self.buffer[index], self.shapes, self.channels_last)

    def _view(self, place: slice, shape: tuple[int, ...]) -> Tensor:
        part = self.buffer[..., place]
        if not (self.channels_last and len(shape) == 4):
            return part.view((*self.buffer.shape[:-1], *shape))
        outputs, inputs, height, width = shape
        view = part.view(outputs, height, width, inputs).permute(0, 3, 1, 2)
        self._turned.append((place, view))
        return view


def nothing(like: Tensor) -> Flat:
    """No tensors, of the type and on the device of another."""
    return Flat(like.new_zeros(0), ())


def flatten(module: nn.Module) -> Tensor:
    """Copy the parameters of a module, then its buffers, into a new vector [d]."""
    return _joined([*module.parameters(), *module.buffers()])


def unflatten(module: nn.Module, x: Tensor) -> None:
    """Copy a vector [d] into the parameters of a module and then its buffers, wherever these lie."""
    tensors = [*module.parameters(), *module.buffers()]
    for tensor, part in zip(tensors, torch.split(x, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.data.copy_(part.view(tensor.shape))


def bind(module: nn.Module, channels_last: bool = False) -> Flat:
    """Move the parameters into one buffer and make each a view of it.

    Afterwards writing the buffer writes the model, without a copy.
    """
    return _bound(list(module.parameters()), channels_last)


def bind_carried(module: nn.Module) -> Flat:
    """Move the module's buffers likewise: what travels after the parameters, though no gradient moves it.

    Raises:
        ConfigurationError: one of them counts instead of measuring (torch's own BatchNorm counts batches): a mean over
            clients would be none of its values.
    """
    for name, buffer in module.named_buffers():
        if not buffer.is_floating_point():
            raise ConfigurationError(
                f"model: buffer {name} of {buffer.dtype} would not travel; choose floats, as model.norm=batch has"
            )
    buffers = list(module.buffers())
    return _bound(buffers, False) if buffers else nothing(next(module.parameters()).detach())


def _bound(tensors: Sequence[Tensor], channels_last: bool) -> Flat:
    vector = _joined(tensors)
    flat = Flat(vector.clone(), [tuple(tensor.shape) for tensor in tensors], channels_last)
    flat.load(vector)
    for tensor, view in zip(tensors, flat.views, strict=True):
        tensor.data = view
    return flat


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


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
