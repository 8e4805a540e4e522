"""Theta in the making: AdamW with a warm-up and a cosine, on gradients that are cut to a norm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from fedkd.keys import key
from fedkd.optimizers import Theta, drawn

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.metatraining.terms import Terms


class ThetaLearner:
    """The vector that is learned, float64, with torch's AdamW.

    Args:
        terms: learning rate, warm-up, steps, weight decay, clipping.
    """

    def __init__(self, terms: Terms) -> None:
        self.terms, self.form, self.step = terms, terms.form(), 0
        self.vector = drawn(self.form, key(terms.seed, "optimizer"), torch.float64).vector
        self._adam = torch.optim.AdamW([self.vector], lr=terms.rate, weight_decay=terms.decay)

    @property
    def theta(self) -> Theta:
        """As it is now, float32."""
        return Theta(self.form, self.vector.float())

    def move(self, gradient: Tensor) -> float:
        """One step, if the gradient is finite; the result is the gradient's norm before it was cut."""
        norm = float(gradient.norm())
        self._adam.param_groups[0]["lr"] = self.terms.rate * scheduled(self.step, self.terms.warm_up, self.terms.steps)
        self.step += 1
        if math.isfinite(norm):
            self.vector.grad = gradient * min(1.0, self.terms.clip / (norm + 1e-12))
            self._adam.step()
        return norm

    def state(self) -> dict[str, Tensor]:
        """All that ``restore`` needs."""
        kept = self._adam.state[self.vector]
        moments = {name: kept[name] for name in ("exp_avg", "exp_avg_sq", "step")} if kept else {}
        return {"theta": self.vector, "at": torch.tensor(self.step), **moments}

    def restore(self, kept: Mapping[str, Tensor]) -> None:
        """Take up what ``state`` gave."""
        self.vector.copy_(kept["theta"])
        self.step = int(kept["at"])
        if "step" in kept:
            self._adam.state[self.vector] = {name: kept[name].clone() for name in ("exp_avg", "exp_avg_sq", "step")}


def scheduled(step: int, warm_up: int, steps: int) -> float:
    """The share of the learning rate: linear up to 1 in the warm-up, then a cosine down to 0.

    Example:
        >>> [scheduled(step, 2, 4) for step in range(5)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(steps - warm_up, 1)))
