"""Descents: an update in the making, which takes gradients as they come.

Every batch is begun, each parameter's gradient is given once, in any order, and the batch is ended. A gradient that
is a product of two matrices may be given as such: plain SGD then adds it to the weights without storing it. All
formulas hold for one model [d] and for several at once [K, d]; products are for one model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.vectors import Flat


class Descent(ABC):
    """One client's update, or that of several clients, from the model in ``flat``.

    Attributes:
        whole: all models.
        flat: those that go on.
    """

    def __init__(self, flat: Flat) -> None:
        self.whole = self.flat = flat

    @property
    def parameters(self) -> list[Tensor]:
        """Where gradients are to be taken; they move in place."""
        return self.flat.views

    def begin(self, samples: int | Tensor) -> None:
        """A batch of so many samples follows; with several models one number each, [K]."""
        return

    @abstractmethod
    def give(self, index: int, gradient: Tensor) -> None:
        """The gradient of a parameter, in its shape; it may be changed."""

    @abstractmethod
    def give_product(self, index: int, left: Tensor, right: Tensor) -> None:
        """The gradient of a matrix as a product left @ right."""

    def end(self) -> None:
        """All gradients of the batch were given."""
        return

    def update(self, x: Tensor) -> Tensor:
        """What the client sends [..., d], in the order of vectors; x is the model that it received."""
        return x - self.whole.read()

    @abstractmethod
    def narrow(self, count: int) -> None:
        """Of several models, only the first go on."""


class PlainDescent(Descent):
    """w -= rate (g + decay w), at once."""

    def __init__(self, flat: Flat, rate: float, decay: float) -> None:
        super().__init__(flat)
        self._rate, self._kept = rate, 1 - rate * decay

    def give(self, index: int, gradient: Tensor) -> None:
        """Step."""
        parameter = self.parameters[index]
        if self._kept != 1:
            parameter.mul_(self._kept)
        parameter.add_(gradient, alpha=-self._rate)

    def give_product(self, index: int, left: Tensor, right: Tensor) -> None:
        """Step; the gradient itself is nowhere."""
        self.parameters[index].addmm_(left, right, beta=self._kept, alpha=-self._rate)

    def narrow(self, count: int) -> None:
        """Nothing is kept but the models."""
        self.flat = self.flat.first(count)


class MomentumDescent(Descent):
    """m = momentum m + g + decay w;  w -= rate m."""

    def __init__(self, flat: Flat, rate: float, momentum: float, decay: float) -> None:
        super().__init__(flat)
        self._rate, self._momentum, self._decay = rate, momentum, decay
        self._velocity = flat.zeros()

    def give(self, index: int, gradient: Tensor) -> None:
        """Into the velocity."""
        self._velocity.views[index].mul_(self._momentum).add_(gradient)

    def give_product(self, index: int, left: Tensor, right: Tensor) -> None:
        """Into the velocity."""
        self._velocity.views[index].addmm_(left, right, beta=self._momentum)

    def end(self) -> None:
        """Step."""
        if self._decay:
            self._velocity.buffer.add_(self.flat.buffer, alpha=self._decay)
        self.flat.buffer.add_(self._velocity.buffer, alpha=-self._rate)

    def narrow(self, count: int) -> None:
        """Velocities too."""
        self.flat, self._velocity = self.flat.first(count), self._velocity.first(count)


class Gathering(Descent):
    """Keeps a batch's gradients until it ends."""

    def __init__(self, flat: Flat) -> None:
        super().__init__(flat)
        self._gradient = flat.zeros()

    def give(self, index: int, gradient: Tensor) -> None:
        """Copy."""
        self._gradient.views[index].copy_(gradient)

    def give_product(self, index: int, left: Tensor, right: Tensor) -> None:
        """Compute it where it is kept."""
        torch.mm(left, right, out=self._gradient.views[index])


class AdamDescent(Gathering):
    """Adam with decoupled weight decay (torch.optim.AdamW's formulas), in one pass over the flat buffers."""

    def __init__(self, flat: Flat, rate: float, betas: tuple[float, float], epsilon: float, decay: float) -> None:
        super().__init__(flat)
        self._rate, self._betas, self._epsilon, self._decay = rate, betas, epsilon, decay
        self._moments = (flat.zeros(), flat.zeros())
        self._steps = torch.zeros((), dtype=torch.float32, device=flat.buffer.device)

    def end(self) -> None:
        """Step."""
        first, second = self._moments
        self._steps += 1
        torch._fused_adamw_(
            [self.flat.buffer],
            [self._gradient.buffer],
            [first.buffer],
            [second.buffer],
            [],
            [self._steps],
            lr=self._rate,
            beta1=self._betas[0],
            beta2=self._betas[1],
            weight_decay=self._decay,
            eps=self._epsilon,
            amsgrad=False,
            maximize=False,
        )

    def narrow(self, count: int) -> None:
        """Gradients and moments too."""
        first, second = self._moments
        self.flat, self._gradient = self.flat.first(count), self._gradient.first(count)
        self._moments = (first.first(count), second.first(count))


class MeanGradient(Descent):
    """The running mean of gradients at x, with the batches' sizes as weights; one batch gives its gradient, exactly."""

    def __init__(self, flat: Flat) -> None:
        super().__init__(flat)
        self._mean = flat.zeros()
        self._seen: int | Tensor = 0
        self._share: float | Tensor = 1.0
        self._going = self._mean

    def begin(self, samples: int | Tensor) -> None:
        """Weigh what follows."""
        self._seen = self._seen + samples
        self._share = samples / self._seen

    def give(self, index: int, gradient: Tensor) -> None:
        """Mean += share (g - mean)."""
        mean, share = self._going.views[index], self._share
        if isinstance(share, torch.Tensor):
            share = share.to(mean.dtype).view(-1, *[1] * (mean.ndim - 1))
            mean.copy_(torch.lerp(mean, gradient, share))
        else:
            mean.lerp_(gradient, share)

    def give_product(self, index: int, left: Tensor, right: Tensor) -> None:
        """The same."""
        share = float(self._share)
        self._going.views[index].addmm_(left, right, beta=1 - share, alpha=share)

    def update(self, x: Tensor) -> Tensor:
        """The mean."""
        return self._mean.read()

    def narrow(self, count: int) -> None:
        """The means of the others are complete."""
        self.flat, self._going = self.flat.first(count), self._going.first(count)
        if isinstance(self._seen, torch.Tensor):
            self._seen = self._seen[:count]
