"""The learned update in place: compiled on a CPU, one pass over inputs and parameters; elsewhere by formulas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from fedkd.optimizers.moments import Moments
from fedkd.optimizers.theta import Theta
from fedkd.optimizers.update import star_update

if TYPE_CHECKING:
    from torch import Tensor


def star_update_(
    theta: Theta,
    state: Sequence[Moments],
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    step: int | Tensor,
    models: int | None = None,
) -> None:
    """``star_update``, to rounding, into the parameters and the state.

    Args:
        theta: its vector may have a dimension of models before, [models, size].
        state: of ``before``.
        params: [*s], or [models, *s].
        grads: the same; what lies in them afterwards is undefined.
        step: as of ``star_update``, of all models; or a tensor [models], one of each (meta-training staggers them).
        models: how many models these are at once; None: one, without a dimension for it.
    """
    with torch.no_grad():
        left = list(range(len(params)))
        if any(parameter.is_cpu for parameter in params):
            # numba is imported only where loops can serve.
            from fedkd.optimizers.compiled.call import advanced

            left = advanced(theta, state, params, grads, step, models)
        if left:
            kept, tensors = [state[index] for index in left], [params[index] for index in left]
            changed, after = _by_formulas(theta, kept, tensors, [grads[index] for index in left], step, models)
            for one, other in zip(tensors, changed, strict=True):
                one.copy_(other)
            for old, new in zip(kept, after, strict=True):
                for one, other in zip(old, new, strict=True):
                    one.copy_(other)


def _by_formulas(
    theta: Theta,
    state: Sequence[Moments],
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    step: int | Tensor,
    models: int | None,
) -> tuple[Sequence[Tensor], Sequence[Moments]]:
    if models is None:
        return star_update(theta, state, params, grads, step)
    own = 0 if theta.vector.ndim > 1 else None
    # What it has worked out already is on its device.
    shared = theta if own is None else None
    each = 0 if isinstance(step, torch.Tensor) and step.ndim else None

    def one(
        vector: Tensor, moments: list[Moments], tensors: list[Tensor], gradients: list[Tensor], at: int | Tensor
    ) -> tuple[list[Tensor], list[Moments]]:
        return star_update(shared or Theta(theta.form, vector), moments, tensors, gradients, at)

    mapped = torch.func.vmap(one, in_dims=(own, 0, 0, 0, each))
    found: tuple[list[Tensor], list[Moments]] = mapped(theta.vector, list(state), list(params), list(grads), step)
    return found
