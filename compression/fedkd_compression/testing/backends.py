"""Laws of the kernels: every set makes the same bytes and reads the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from fedkd_compression import kernels
from fedkd_compression.compressor import compress, decompress
from fedkd_compression.testing.law import law
from fedkd_compression.testing.rows import same

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key
    from fedkd_compression.operators.base import Operator


class Place(NamedTuple):
    """A set of kernels, and the device of the tensors that it is given."""

    kernels: kernels.Name
    device: str


def on_the_cpu() -> tuple[Place, ...]:
    """The sets that serve tensors of the CPU."""
    return tuple(Place(name, "cpu") for name in kernels.available() if name != "triton")


def on_devices() -> tuple[Place, ...]:
    """The sets that serve tensors of a CUDA device; none where there is no such device."""
    names = [name for name in kernels.available() if name in ("torch", "triton")]
    return tuple(Place(name, "cuda") for name in names if torch.cuda.is_available())


@law()
def backends_agree(operator: Operator, x: Tensor, key: Key) -> None:
    """Every set of kernels makes the same frames and the same received rows, and reads the others' frames."""
    _agree(on_the_cpu(), operator, x, key)


@law(lambda operator, dim: operator.traits.anywhere)
def devices_agree(operator: Operator, x: Tensor, key: Key) -> None:
    """Rows on a CUDA device make the same frames and the same received rows as on the CPU."""
    _agree(on_devices(), operator, x, key)


def _agree(places: tuple[Place, ...], operator: Operator, x: Tensor, key: Key) -> None:
    expected, told = compress(operator, x[None], key)
    for place in places:
        with kernels.use(place.kernels):
            frames, received = compress(operator, x[None].to(place.device), key)
            decoded = decompress(operator, expected, key, len(x), place.device)
        assert frames == expected, f"{place.kernels} on {place.device} makes other bytes than the kernels in use"
        same(received.cpu(), told, f"the rows that {place.kernels} on {place.device} and the kernels in use tell")
        same(decoded.cpu(), told, f"the rows that {place.kernels} on {place.device} decodes and the sender's")
