"""Descents: an update in the making, which takes gradients as they come.

Every batch is begun, each parameter's gradient is given once, in any order, and the batch is ended. A gradient that
is a product of two matrices may be given as such: plain SGD then adds it to the weights without storing it. All
formulas hold for one model [d] and for several at once [K, d], products included.
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

    Args:
        flat: the parameters.
        states: vectors that are kept beside them, zero at first.
        proximal: mu; unless it is 0, every gradient g becomes g + mu (w - x), x the model at the start (FedProx).

    Attributes:
        whole: all models.
        flat: those that go on.
    """

    def __init__(self, flat: Flat, states: int, proximal: float = 0.0) -> None:
        self.whole = self.flat = self._parameters = flat
        self._all_states = tuple(flat.zeros() for _ in range(states))
        self._whole_states = self._states = self._all_states
        self._proximal = proximal
        self._all_anchors = self._anchors = _copies(flat) if proximal else ()

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
        return self.whole.difference(x)

    def narrow(self, count: int) -> None:
        """Of several models, only the first go on; the others are complete."""
        self.flat, self._states = self.flat.first(count), _first(self._states, count)
        self._anchors = _first(self._anchors, count)

    def restart(self, count: int) -> None:
        """Of several models, the first begin anew from the parameters as they are: nothing is allocated."""
        self.whole = self.flat = self._parameters.first(count)
        self._whole_states = self._states = _first(self._all_states, count)
        for state in self._states:
            state.buffer.zero_()
        self._anchors = _first(self._all_anchors, count)
        for anchor in self._anchors:
            anchor.buffer.copy_(self.flat.buffer)

    def _pull(self, gradient: Tensor) -> None:
        """Add mu (w - x) to a gradient of all parameters, as it lies in a buffer."""
        for anchor in self._anchors:
            gradient.add_(self.flat.buffer - anchor.buffer, alpha=self._proximal)


class PlainDescent(Descent):
    """w -= rate (g + decay w + mu (w - x)), at once."""

    def __init__(self, flat: Flat, rate: float, decay: float, proximal: float = 0.0) -> None:
        super().__init__(flat, 0, proximal)
        self._rate, self._kept = rate, 1 - rate * decay

    def give(self, index: int, gradient: Tensor) -> None:
        """Step."""
        parameter = self.parameters[index]
        kept = self._drawn(index)
        if kept != 1:
            parameter.mul_(kept)
        parameter.add_(gradient, alpha=-self._rate)

    def give_product(self, index: int, left: Tensor, right: Tensor) -> None:
        """Step; the gradient itself is nowhere."""
        kept = self._drawn(index)
        _add_product(self.parameters[index], left, right, kept, -self._rate)

    def _drawn(self, index: int) -> float:
        """Move a parameter towards x; the result is by what it is still to be multiplied."""
        share = self._rate * self._proximal
        for anchor in self._anchors:
            parameter, x = self.parameters[index], anchor.views[index]
            if self._kept != 1:
                parameter.mul_(self._kept - share).add_(x, alpha=share)
            else:
                parameter.lerp_(x, share)
        return 1.0 if self._anchors else self._kept


class MomentumDescent(Descent):
    """m = momentum m + g + decay w + mu (w - x);  w -= rate m."""

    def __init__(self, flat: Flat, rate: float, momentum: float, decay: float, proximal: float = 0.0) -> None:
        super().__init__(flat, 1, proximal)
        self._rate, self._momentum, self._decay = rate, momentum, decay

    def give(self, index: int, gradient: Tensor) -> None:
        """Into the velocity."""
        self._states[0].views[index].mul_(self._momentum).add_(gradient)

    def give_product(self, index: int, left: Tensor, right: Tensor) -> None:
        """Into the velocity."""
        _add_product(self._states[0].views[index], left, right, self._momentum, 1)

    def end(self) -> None:
        """Step."""
        velocity = self._states[0].buffer
        if self._decay:
            velocity.add_(self.flat.buffer, alpha=self._decay)
        self._pull(velocity)
        self.flat.buffer.add_(velocity, alpha=-self._rate)


class AdamDescent(Descent):
    """Adam with decoupled weight decay (torch.optim.AdamW's formulas), in one pass over the flat buffers."""

    def __init__(
        self,
        flat: Flat,
        rate: float,
        betas: tuple[float, float],
        epsilon: float,
        decay: float,
        proximal: float = 0.0,
    ) -> None:
        super().__init__(flat, 3, proximal)
        self._rate, self._betas, self._epsilon, self._decay = rate, betas, epsilon, decay
        self._steps = torch.zeros((), dtype=torch.float32, device=flat.buffer.device)

    def give(self, index: int, gradient: Tensor) -> None:
        """Keep it until the batch ends."""
        self._states[0].views[index].copy_(gradient)

    def give_product(self, index: int, left: Tensor, right: Tensor) -> None:
        """Compute it where it is kept."""
        torch.matmul(left, right, out=self._states[0].views[index])

    def end(self) -> None:
        """Step."""
        gradient, first, second = self._states
        self._pull(gradient.buffer)
        self._steps += 1
        torch._fused_adamw_(
            [self.flat.buffer],
            [gradient.buffer],
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

    def restart(self, count: int) -> None:
        """The first step is the first again."""
        super().restart(count)
        self._steps.zero_()


class MeanGradient(Descent):
    """The running mean of gradients at x, with the batches' sizes as weights; one batch gives its gradient, exactly."""

    def __init__(self, flat: Flat) -> None:
        super().__init__(flat, states=1)
        # Of several models in a tensor that is changed in place, so that a recorded step goes on counting.
        several = flat.buffer.ndim > 1
        self._all_seen = flat.buffer.new_zeros(len(flat.buffer) if several else 0, dtype=torch.float64)
        self._seen: int | Tensor = self._all_seen if several else 0
        self._share: float | Tensor = 1.0

    def begin(self, samples: int | Tensor) -> None:
        """Weigh what follows."""
        self._seen += samples
        self._share = samples / self._seen

    def give(self, index: int, gradient: Tensor) -> None:
        """Mean += share (g - mean)."""
        mean = self._states[0].views[index]
        mean.lerp_(gradient, self._share_of(mean))

    def give_product(self, index: int, left: Tensor, right: Tensor) -> None:
        """The same."""
        mean = self._states[0].views[index]
        share = self._share_of(mean)
        if isinstance(share, float):
            mean.addmm_(left, right, beta=1 - share, alpha=share)
        else:
            mean.mul_(1 - share).baddbmm_(left * share, right)

    def update(self, x: Tensor) -> Tensor:
        """The mean."""
        return self._whole_states[0].read()

    def narrow(self, count: int) -> None:
        """Counts too."""
        super().narrow(count)
        self._seen = self._all_seen[:count]

    def restart(self, count: int) -> None:
        """Nothing was seen."""
        super().restart(count)
        self._seen = self._all_seen[:count].zero_()

    def _share_of(self, mean: Tensor) -> float | Tensor:
        """The share; of several models, as it is multiplied with their means."""
        if isinstance(self._share, torch.Tensor):
            return self._share.to(mean.dtype).view(-1, *[1] * (mean.ndim - 1))
        return self._share


def _first(states: tuple[Flat, ...], count: int) -> tuple[Flat, ...]:
    return tuple(state.first(count) for state in states)


def _copies(flat: Flat) -> tuple[Flat, ...]:
    """One copy."""
    copy = flat.zeros()
    copy.buffer.copy_(flat.buffer)
    return (copy,)


def _add_product(total: Tensor, left: Tensor, right: Tensor, beta: float, alpha: float) -> None:
    """Total = beta total + alpha left @ right, of one model or of several."""
    if total.ndim == 2:
        total.addmm_(left, right, beta=beta, alpha=alpha)
    else:
        total.baddbmm_(left, right, beta=beta, alpha=alpha)
