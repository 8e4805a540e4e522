"""Noisy quadratics, on which all is known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from fedkd.metatraining.evolution import noise
from fedkd.metatraining.families.base import Family, Start

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression import Key


class Quadratics(Family):
    """L(W) = 1/2 sum_j (w_j - x_t)^T H (w_j - x_t) over the columns of W [dim, columns], with H random of known range.

    x_t is drawn anew at every step, normal with deviation ``spread`` about the minimum at 0; the loss is relative to
    that at the start.

    Args:
        dim: of H.
        columns: of W.
        least: smallest eigenvalue; all are log-uniform between it and 1.
        spread: deviation of x_t.
    """

    ceiling = 10.0
    floor = 1e-3

    def __init__(self, dim: int, columns: int, least: float, spread: float) -> None:
        self.dim, self.columns, self.least, self.spread = dim, columns, least, spread
        self.work = float(dim * columns)

    def begin(self, stream: Key) -> Start:
        """W normal; H with eigenvectors of a random matrix; both divided so that the first loss is about 1."""
        parts = noise(stream.fold("quadratic"), self.dim * (self.dim + self.columns), 1.0)[0].float()
        basis, _ = torch.linalg.qr(parts[: self.dim**2].view(self.dim, self.dim))
        shares = stream.fold("eigenvalues").uniforms(self.dim)[0]
        curved = basis @ torch.diag(torch.exp(shares * math.log(self.least))) @ basis.T
        start = parts[self.dim**2 :].view(self.dim, self.columns)
        scale = 0.5 * (start * (curved @ start)).sum()
        return Start([start], [curved, scale])

    def draws(self, streams: Key, steps: int) -> Tensor:
        """The x_t [n, steps, dim]."""
        return noise(streams, steps * self.dim, self.spread).float().view(-1, steps, self.dim)

    def slopes(self, params: list[Tensor], fixed: list[Tensor], drawn: Tensor) -> tuple[Tensor, list[Tensor]]:
        """In closed form."""
        curved, scale = fixed
        apart = params[0] - drawn[:, :, None]
        slope = curved @ apart / scale[:, None, None]
        return 0.5 * (apart * slope).sum((1, 2)), [slope]
