"""From tensors to the compiled loops: which of them these serve, and where everything lies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fedkd.optimizers.compiled.kernel import advance
from fedkd.optimizers.compiled.layout import Facts, facts_of
from fedkd.optimizers.form import TIMES, Form
from fedkd_compression.kernels.compiled.compiler import parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from fedkd.optimizers.moments import Moments
    from fedkd.optimizers.theta import Theta

_KINDS = (torch.float32, torch.float64)
_THIRD = 1 / 3
_NOMINAL = {
    "SGD": (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "SGDM": (0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "AggMo": (0.0, _THIRD, _THIRD, _THIRD, 0.0, 0.0, 0.0),
    "Adam": (0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    "AdamAggMo": (0.0, 0.0, 0.0, 0.0, _THIRD, _THIRD, _THIRD),
}
"""The nominal term's shares of g, of the momenta m, and of m r."""


class _Batch:
    """Tensors of one type, for one call of the loops."""

    def __init__(self, models: int | None) -> None:
        self._models = models
        self._places: list[int] = []
        self._facts: list[Facts] = []
        self._kept: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._facts)

    def add(self, facts: Facts, moments: Moments, parameter: Tensor, gradient: Tensor) -> None:
        """One more; its gradient is copied where it does not lie as the parameter does."""
        if not facts.gradient_lies:
            gradient = torch.empty_like(parameter).copy_(gradient)
        means = (moments.rows, moments.columns) if facts.rows_over_y else (moments.columns, moments.rows)
        tensors = (parameter, gradient, moments.momenta, moments.second, *means)
        self._places += [tensor.data_ptr() for tensor in tensors]
        if self._models is None:
            self._places += [0] * len(tensors)
        else:
            self._places += [tensor.stride(0) * tensor.element_size() for tensor in tensors]
        self._facts.append(facts)
        # Until the loops have run.
        self._kept += [parameter, gradient]
        if parameter.requires_grad:
            # Autograd does not see loops write.
            torch.autograd.graph.increment_version(parameter)

    def run(self, theta: Theta, step: int | Tensor) -> None:
        """Step them all."""
        models, count = 1 if self._models is None else self._models, len(self)
        own = theta.to(self._kept[0])
        thetas, decays = (_rows(part.detach()) for part in (own.vector, own.decays))
        # Apart, so that no compiler makes x - d x of (1 - d) x.
        decays = np.concatenate((decays, 1 - decays), axis=1)
        steps = np.atleast_1d(step.detach().cpu().numpy() if isinstance(step, torch.Tensor) else step)
        times = np.tanh(steps[:, None] / np.array(TIMES) - 1).astype(thetas.dtype)
        places = np.array(self._places, np.int64).reshape(count, -1)
        shapes = np.array([facts.numbers for facts in self._facts], np.int64)
        total = models * sum(facts.size for facts in self._facts)
        sizes = _sizes(theta.form, thetas.dtype)
        parallel(advance, models * count, total, models, places, shapes, thetas, decays, times, sizes)


def advanced(
    theta: Theta,
    state: Sequence[Moments],
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    step: int | Tensor,
    models: int | None = None,
) -> list[int]:
    """Step those tensors that loops serve, dense ones of a CPU, of float32 or float64; the result are the others."""
    left, batches = [], {kind: _Batch(models) for kind in _KINDS}
    for index, (moments, parameter, gradient) in enumerate(zip(state, params, grads, strict=True)):
        facts = _facts(moments, parameter, gradient, 0 if models is None else 1)
        if facts is None:
            left.append(index)
        elif parameter.numel():
            batches[parameter.dtype].add(facts, moments, parameter, gradient)
    for batch in batches.values():
        if batch:
            batch.run(theta, step)
    return left


def _facts(moments: Moments, parameter: Tensor, gradient: Tensor, lead: int) -> Facts | None:
    kind = parameter.dtype
    if kind not in _KINDS or not parameter.is_cpu:
        return None
    for tensor in (gradient, *moments):
        if tensor.dtype is not kind or not tensor.is_cpu:
            return None
    return facts_of(lead, *[(tensor.shape, tensor.stride()) for tensor in (parameter, gradient, *moments)])


def _rows(values: Tensor) -> NDArray[Any]:
    """[., n], whether of one theta or of many."""
    found: NDArray[Any] = values.reshape(-1, values.shape[-1]).contiguous().numpy()
    return found


@lru_cache(maxsize=64)
def _sizes(form: Form, kind: np.dtype[Any]) -> NDArray[Any]:
    """What loops know of a form: shares, whether the free term is divided, what remains of p, scales of heads [13]."""
    shares = [form.nominal_step * share for share in _NOMINAL[form.nominal]]
    divided = [0.0, 1.0] if form.preconditioned else [1.0, 0.0]
    scales = [form.free_step, form.free_exponent, form.nominal_exponent]
    return np.array([*shares, *divided, 1 - form.weight_decay, *scales], kind)
