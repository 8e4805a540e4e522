"""Evolution strategies on unrolls that are cut into truncations.

A particle is a pair of unrolls of one task, with theta + eps and theta - eps, the same start and the same batches; eps
is drawn anew for every truncation. Source: Vicol, Metz, Sohl-Dickstein, "Unbiased Gradient Estimation in Unrolled
Computation Graphs with Persistent Evolution Strategies" (ICML 2021).
Shapes, for n particles and P numbers in theta: noise [n, P], losses [n].
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression import Key


def noise(streams: Key, size: int, sigma: float) -> Tensor:
    """Eps: normal with deviation sigma, a row a stream, float64 [n, size]; a function of the stream alone.

    Box and Muller's formula on the stream's uniform numbers.
    """
    uniforms = streams.uniforms(2 * size).double()
    # Multiples of 2^-24 from 0 on; half a step keeps the logarithm finite.
    radius = (-2 * torch.log(uniforms[:, :size] + 2.0**-25)).sqrt()
    return sigma * radius * torch.cos(2 * math.pi * uniforms[:, size:])


def gradient(above: Tensor, below: Tensor, direction: Tensor, sigma: float) -> Tensor:
    """Mean over particles of (L+ - L-) direction / (2 sigma^2), the estimated gradient of the mean loss [P].

    Args:
        above: L+ of the last truncation, with theta + eps [n].
        below: L-, with theta - eps [n].
        direction: persistent: the sum of all eps since the task began, this truncation's among them, which is
            unbiased; truncated: this truncation's eps alone, which misses what theta does to later truncations [n, P].
        sigma: deviation of eps.
    """
    return ((above - below)[:, None] * direction).mean(0) / (2 * sigma**2)


def persisted(total: Tensor, eps: Tensor, begins: Tensor) -> Tensor:
    """The sums of eps since each task began [n, P].

    Args:
        total: the sums before this truncation.
        eps: of this truncation.
        begins: which particles begin a task with it, bool [n]: their sum starts from this eps.
    """
    return torch.where(begins[:, None], eps, total + eps)
