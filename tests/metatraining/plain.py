"""The smallest family: one quadratic without noise, in float64, the same for every particle; and how it may break."""

from __future__ import annotations

import torch
from torch import Tensor

from fedkd.metatraining.families import Family, Start
from fedkd_compression import Key

CURVED = torch.tensor([[1.0, 0.3, 0.1], [0.3, 0.5, 0.0], [0.1, 0.0, 0.2]], dtype=torch.float64)
START = torch.tensor([[1.0, -0.5], [0.8, 0.6], [-0.7, 0.9]], dtype=torch.float64)


class Plain(Family):
    """L(W) = 1/2 sum of W (H W), with W [3, 2]."""

    ceiling, floor, work = 1e6, 1e-3, 1.0

    def begin(self, stream: Key) -> Start:
        return Start([START], [])

    def draws(self, streams: Key, steps: int) -> Tensor:
        return torch.zeros(len(streams.rows), steps, 0)

    def slopes(self, params: list[Tensor], fixed: list[Tensor], drawn: Tensor) -> tuple[Tensor, list[Tensor]]:
        slope = CURVED @ params[0]
        return 0.5 * (params[0] * slope).sum((1, 2)), [slope]


class Kept(Plain):
    """Plain, from a start of each task's own; it keeps their streams."""

    def __init__(self) -> None:
        self.begun: list[Key] = []

    def begin(self, stream: Key) -> Start:
        self.begun.append(stream)
        return Start([START * (0.5 + stream.uniforms(1)[0, 0].double())], [])


class Breaking(Kept):
    """The loss, or the gradient, of one model is not a number at one step.

    Args:
        model: which one.
        step: counted over all truncations.
        slope: whether it is the gradient.
    """

    def __init__(self, model: int, step: int, slope: bool) -> None:
        super().__init__()
        self.model, self.step, self.slope = model, step, slope

    def slopes(self, params: list[Tensor], fixed: list[Tensor], drawn: Tensor) -> tuple[Tensor, list[Tensor]]:
        losses, slopes = super().slopes(params, fixed, drawn)
        if self.step == 0:
            (slopes[0] if self.slope else losses)[self.model] = torch.nan
        self.step -= 1
        return losses, slopes
