"""Learned updates before anything is learned, at growing scales of theta, on noisy quadratics: who stays where."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd.keys import key
from fedkd.optimizers import BLACK_BOX, STAR_FORM, Form, Theta, before, drawn, star_update_
from sims.star.systems import turned

if TYPE_CHECKING:
    from torch import Tensor

FORMS: dict[str, Form] = {
    "STAR": STAR_FORM,
    "no nominal term": replace(STAR_FORM, nominal_step=0.0),
    "not preconditioned": replace(STAR_FORM, preconditioned=False, free_step=BLACK_BOX.free_step),
    "black box": BLACK_BOX,
}
"""Their free steps are of one size while v is about 1e-4: 1e-5 / sqrt(v), and 1e-3."""
SCALES = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Of all weights; biases are zero, so that the network's outputs grow by about the third power."""
DIM, LEAST, NOISE = 8, 0.1, 0.1
"""Of a quadratic; eigenvalues of H from ``LEAST`` to 1, the deviation of xi_t."""
MOST = 1e6
"""Relative losses are cut here; those that are not finite count as this."""


def ends(seeds: int, steps: int) -> dict[str, np.ndarray]:
    """Mean loss of the last tenth of a run over the first loss, of every form [seeds, scales]."""
    found = {}
    for name, form in FORMS.items():
        course = losses(form, seeds, steps)
        with np.errstate(over="ignore", invalid="ignore"):
            relative = course[-(steps // 10) :].mean(0) / course[0]
        found[name] = np.minimum(np.nan_to_num(relative, nan=MOST, posinf=MOST), MOST)
    return found


def losses(form: Form, seeds: int, steps: int) -> np.ndarray:
    """1/2 phi^T H phi before every step and after the last [steps + 1, seeds, scales].

    A seed has its own theta, H, start and noise; all scales share them, and all forms of as many heads share theta.
    """
    draws = np.random.default_rng(0)

    def normal() -> Tensor:
        """The same of a seed at all scales [seeds * scales, d]."""
        return torch.from_numpy(draws.standard_normal((seeds, DIM))).repeat_interleave(len(SCALES), 0)

    values = np.geomspace(LEAST, 1, DIM) * np.ones((seeds, 1))
    hessian = torch.from_numpy(turned(values, draws)).repeat_interleave(len(SCALES), 0)
    phi, vectors = normal(), [drawn(form, key(seed, "optimizer"), torch.float64).vector for seed in range(seeds)]
    theta = Theta(form, torch.stack([scale * vector for vector in vectors for scale in SCALES]))
    state, found = [before(phi, len(phi))], []
    for step in range(steps + 1):
        found.append(0.5 * torch.einsum("ni,nij,nj->n", phi, hessian, phi).view(seeds, -1).numpy())
        if step < steps:
            gradient = torch.einsum("nij,nj->ni", hessian, phi - NOISE * normal())
            star_update_(theta, state, [phi], [gradient], step, models=len(phi))
    return np.stack(found)
