"""Local steps of the learned optimizer STAR."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from fedkd.errors import ConfigurationError
from fedkd.trainers.descents import Descent
from fedkd.trainers.solvers import Solver

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.optimizers import Moments, Theta
    from fedkd.vectors import Flat


@dataclass(frozen=True)
class Star(Solver):
    """Local STAR, started afresh for every update. Source: Harrison et al., "A Closer Look at Learned Optimization".

    Args:
        theta: what it has learned: "client", which comes with the package, or a file of ``sims/metatrain.py``.
        step_size: multiplies the step that was learned, > 0.
        weight_decay: share of a parameter that a step takes from it, in [0, 1).
        proximal: that of ``Sgd``: a part of the gradient, hence of all that is remembered of it.

    Raises:
        ConfigurationError: there is no such file, it holds something else, or a number is out of its range.
    """

    theta: str
    step_size: float
    weight_decay: float
    proximal: float

    def __post_init__(self) -> None:
        if not self.step_size > 0:
            raise ConfigurationError(f"Star: step_size={self.step_size:g} is not positive; choose step_size > 0")
        if not 0 <= self.weight_decay < 1:
            raise ConfigurationError(f"Star: weight_decay={self.weight_decay:g} is outside [0, 1); choose 0")
        if not 0 <= self.proximal < math.inf:
            raise ConfigurationError(f"Star: proximal={self.proximal:g} is not in [0, inf); choose proximal >= 0")
        # A file that is missing is told now, not when the first client trains.
        _ = self.learned

    @cached_property
    def learned(self) -> Theta:
        """What the file holds, with these sizes; read once."""
        # The learned optimizers need torch to be loaded, which other solvers' mistakes are answered without.
        from fedkd.optimizers import read_theta
        from fedkd.optimizers.scaled import scaled

        return scaled(read_theta(self.theta), self.step_size, self.weight_decay)

    def start(self, flat: Flat) -> StarDescent:
        """Nothing is remembered of any gradient."""
        return StarDescent(flat, self.learned, self.proximal)

    def unit(self, steps: float) -> float:
        """Steps x the nominal step, as of ``Adam``; the free step of a form without one; of one that has neither, 1."""
        form = self.learned.form
        return steps * (form.nominal_step or form.free_step) or 1.0


class StarDescent(Descent):
    """w = ``star_update``(w, g + mu (w - x)), tensor by tensor, when all gradients of a batch were given."""

    def __init__(self, flat: Flat, theta: Theta, proximal: float = 0.0) -> None:
        from fedkd.optimizers import before

        super().__init__(flat, 1, proximal)
        self._theta = theta.to(flat.buffer)
        models = len(flat.buffer) if flat.buffer.ndim > 1 else None
        self._all_moments = self._moments = [before(view, models) for view in flat.views]
        self._steps = torch.zeros((), dtype=torch.int64, device=flat.buffer.device)

    def give(self, index: int, gradient: Tensor) -> None:
        """Keep it until the batch ends."""
        self._states[0].views[index].copy_(gradient)

    def give_product(self, index: int, left: Tensor, right: Tensor) -> None:
        """Compute it where it is kept."""
        torch.matmul(left, right, out=self._states[0].views[index])

    def end(self) -> None:
        """Step."""
        from fedkd.optimizers import star_update_

        (gradient,) = self._states
        self._pull(gradient.buffer)
        models = len(self.flat.buffer) if self.flat.buffer.ndim > 1 else None
        star_update_(self._theta, self._moments, self.flat.views, gradient.views, self._steps, models)
        self._steps += 1

    def narrow(self, count: int) -> None:
        """Moments too."""
        super().narrow(count)
        self._moments = _first(self._moments, count)

    def restart(self, count: int) -> None:
        """The first step is the first again, and nothing is remembered."""
        super().restart(count)
        self._moments = _first(self._all_moments, count)
        for moments in self._moments:
            for part in moments:
                part.zero_()
        self._steps.zero_()


def _first(several: list[Moments], count: int) -> list[Moments]:
    """Of the first models, as views."""
    return [type(moments)(*(part[:count] for part in moments)) for moments in several]
