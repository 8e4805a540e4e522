"""The learned optimizer STAR as the server's: G is taken for a gradient, tensor by tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from fedkd.algorithms.server_optimizers import OptimizerState, ServerOptimizer
from fedkd.errors import ConfigurationError
from fedkd_compression import Named

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.optimizers import Theta


@dataclass(frozen=True)
class Star(ServerOptimizer):
    """s = w - ``star_update``(w, G / unit), where G / unit is about a gradient.

    The pseudo-gradient x - local of E local steps is about E learning_rate times a gradient: then that is the unit,
    divided by 1 - momentum where clients have momentum (``Solver.unit``). Clients that send a gradient itself have a
    unit of 1. The state has the moments of the first tensor as "momenta.0", "second.0", "rows.0" and "columns.0", and
    so on.

    Args:
        theta: what it has learned: "server", which comes with the package, or a file of ``sims/metatrain.py``.
        step_size: multiplies the step that was learned, > 0.
        unit: of G, > 0; None: that which ``shaped`` is given, or 1 where nobody shapes it.
        tensors: names and shapes, in the order in which they are laid end to end; ``shaped`` fills them in. None: G is
            one vector.

    Raises:
        ConfigurationError: there is no such file, it holds something else, or a number is out of its range.
    """

    theta: str
    step_size: float
    unit: float | None
    tensors: tuple[Named, ...] = field(default=(), metadata={"configured": False})

    def __post_init__(self) -> None:
        if not self.step_size > 0:
            raise ConfigurationError(f"Star: step_size={self.step_size:g} is not positive; choose step_size > 0")
        if self.unit is not None and not self.unit > 0:
            raise ConfigurationError(f"Star: unit={self.unit:g} is not positive; choose unit > 0")
        # A file that is missing is told now, not after the first round.
        _ = self.learned

    @cached_property
    def learned(self) -> Theta:
        """What the file holds, with this size; read once."""
        # The learned optimizers need torch to be loaded, which other optimizers' mistakes are answered without.
        from fedkd.optimizers import read_theta
        from fedkd.optimizers.scaled import scaled

        theta = read_theta(self.theta)
        return scaled(theta, self.step_size, theta.form.weight_decay)

    def shaped(self, tensors: Sequence[Named], unit: float) -> Star:
        """For a model of these tensors, and in this unit unless it has its own."""
        return replace(self, tensors=tuple(tensors), unit=unit if self.unit is None else self.unit)

    def start(self, model: Tensor) -> OptimizerState:
        """Zeros, and no step before."""
        from fedkd.optimizers import before

        moments = [before(part) for part in self._parts(model)]
        named = {f"{name}.{place}": part for place, one in enumerate(moments) for name, part in one._asdict().items()}
        return {**named, "steps": torch.zeros((), dtype=torch.int64)}

    def step(self, mean: Tensor, state: OptimizerState, model: Tensor) -> tuple[Tensor, OptimizerState]:
        """The step of a copy of the model."""
        from fedkd.optimizers import Moments, star_update_

        after = {name: tensor.clone() for name, tensor in state.items()}
        moved, gradient = model.clone(), mean / (1.0 if self.unit is None else self.unit)
        params = self._parts(moved)
        moments = [Moments(*(after[f"{name}.{place}"] for name in Moments._fields)) for place in range(len(params))]
        star_update_(self.learned, moments, params, self._parts(gradient), after["steps"])
        after["steps"] += 1
        return model - moved, after

    def _parts(self, vector: Tensor) -> list[Tensor]:
        """The tensors that are laid end to end, as views."""
        shapes = [tensor.shape for tensor in self.tensors] or [vector.shape]
        parts = torch.split(vector, [math.prod(shape) for shape in shapes])
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
