"""The learned update, as a pure function of tensors: what trains it, what a client uses, what the server uses.

It may be mapped over models and over thetas by ``torch.func.vmap``, on any device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from fedkd.optimizers.features import EPSILON, measured, time_of
from fedkd.optimizers.moments import Moments, moved

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.optimizers.form import Form
    from fedkd.optimizers.theta import Theta


def star_update(
    theta: Theta, state: Sequence[Moments], params: Sequence[Tensor], grads: Sequence[Tensor], step: int | Tensor
) -> tuple[list[Tensor], list[Moments]]:
    """One step: p - f_b - f_g - weight_decay p for every tensor; see ``Form`` for the terms.

    Args:
        theta: the form and what was learned.
        state: ``before`` of every tensor, or what the last step gave.
        params: tensors of any shapes.
        grads: of the same shapes.
        step: how many steps there were before, 0 at first; an integer, or a tensor without dimensions.

    Returns:
        The parameters and the state after the step; nothing is changed in place.

    Example:
        >>> theta = drawn(STAR_FORM, key(0, "optimizer"))
        >>> params, state = star_update(theta, [before(p)], [p], [g], 0)
    """
    changed, after = [], []
    for moments, parameter, gradient in zip(state, params, grads, strict=True):
        own = theta.to(parameter)
        new = moved(own, moments, gradient)
        step_of = _step(own, new, parameter, gradient, step)
        changed.append(parameter * (1 - own.form.weight_decay) - step_of)
        after.append(new)
    return changed, after


def _step(theta: Theta, moments: Moments, parameter: Tensor, gradient: Tensor, step: int | Tensor) -> Tensor:
    """F_b + f_g [*s]."""
    form, root = theta.form, (moments.second + EPSILON).rsqrt()
    outputs = network_outputs(theta, measured(parameter, gradient, moments), step)
    free = form.free_step * outputs[0] * torch.exp(form.free_exponent * outputs[1])
    if form.preconditioned:
        free = free * root
    known = form.nominal_step * nominal(form, gradient, moments, root)
    return free + (known * torch.exp(form.nominal_exponent * outputs[2]) if form.heads > 2 else known)


def network_outputs(theta: Theta, inputs: Tensor, step: int | Tensor) -> Tensor:
    """The network's outputs [heads, *s] for measured inputs [28, *s]; what time it is acts as a bias."""
    (weight, bias), *others = theta.network
    flat = inputs.reshape(len(inputs), -1)
    hidden = weight[: len(flat)].T @ flat + (bias + time_of(step, flat) @ weight[len(flat) :])[:, None]
    for weight, bias in others:
        hidden = weight.T @ torch.relu(hidden) + bias[:, None]
    outputs: Tensor = hidden.reshape(len(hidden), *inputs.shape[1:])
    return outputs


def nominal(form: Form, gradient: Tensor, moments: Moments, root: Tensor) -> Tensor:
    """The known optimizer's direction g_nom [*s]."""
    if form.nominal == "SGD":
        return gradient
    mean = moments.momenta.mean(0) if form.nominal in ("AggMo", "AdamAggMo") else moments.momenta[0]
    return mean * root if form.nominal in ("Adam", "AdamAggMo") else mean
