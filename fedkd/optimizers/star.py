"""The learned optimizer as one of torch's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, overload

import torch

from fedkd.errors import ConfigurationError
from fedkd.optimizers.fused import star_update_
from fedkd.optimizers.moments import Moments, before
from fedkd.optimizers.scaled import scaled
from fedkd.optimizers.theta import read_theta

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim.optimizer import ParamsT

    from fedkd.optimizers.theta import Theta

_KINDS = (torch.float32, torch.float64)
"""Types of parameters, hence of moments: in half types a decay of .999 is 1."""
_RECENT = 16
"""Step sizes whose theta is kept."""


class STAR(torch.optim.Optimizer):
    """p <- (1 - weight_decay) p - step_size (f_b + f_g), in place of ``torch.optim.Adam``.

    The terms are those of ``Form``. Source: Harrison, Metz, Sohl-Dickstein, "A Closer Look at Learned Optimization"
    (NeurIPS 2022). In groups of parameters step_size is called ``lr``, by which torch's schedules know it. The state of
    a parameter is ``step``, its steps so far, and its ``Moments``; parameters without a gradient stay as they are.

    Args:
        params: tensors, or groups of them, as of any optimizer of torch.
        theta: what was learned; or what ``read_theta`` takes: "client", or the path of a file.
        step_size: multiplies the update, > 0; 1 is as it was learned.
        weight_decay: share of a parameter that every step takes from it, in [0, 1); in place of the form's.

    Raises:
        ConfigurationError: a number is out of its range, there is no such file; a gradient is sparse, a parameter is of
            a half type (in ``step``).

    Example:
        >>> optimizer = STAR(model.parameters(), "client")
        >>> for x, y in batches:
        ...     optimizer.zero_grad()
        ...     loss_of(model(x), y).backward()
        ...     optimizer.step()
    """

    def __init__(self, params: ParamsT, theta: Theta | str, step_size: float = 1.0, weight_decay: float = 0.0) -> None:
        learned = read_theta(theta) if isinstance(theta, str) else theta
        scaled(learned, step_size, weight_decay)
        super().__init__(params, {"lr": step_size, "weight_decay": weight_decay})
        self.theta = learned

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of all parameters that have a gradient; with a closure, the loss that it gave before."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            theta = _scaled(self.theta, group["lr"], group["weight_decay"])
            for step, params in self._by_steps(group["params"]).items():
                state = [Moments(*[self.state[one][name] for name in Moments._fields]) for one in params]
                grads = [one.grad for one in params if one.grad is not None]
                star_update_(theta, state, params, grads, step)
                for one in params:
                    self.state[one]["step"] += 1
        return loss

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {**state, "theta": self.theta}

    def _by_steps(self, params: list[Tensor]) -> dict[int, list[Tensor]]:
        """Parameters with a gradient by how many steps they had before."""
        found: dict[int, list[Tensor]] = {}
        for parameter in params:
            if parameter.grad is None:
                continue
            if parameter.grad.layout is not torch.strided:
                layout = parameter.grad.layout
                raise ConfigurationError(f"STAR: a gradient is {layout}; choose layers with dense gradients")
            if parameter.dtype not in _KINDS:
                raise ConfigurationError(f"STAR: a parameter is {parameter.dtype}; choose float32 parameters")
            kept = self.state[parameter]
            if not kept:
                kept |= {"step": 0, **before(parameter.detach())._asdict()}
            found.setdefault(kept["step"], []).append(parameter)
        return found


# A theta keeps what it has computed of itself.
_scaled = lru_cache(maxsize=_RECENT)(scaled)
