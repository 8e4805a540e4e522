"""Noisy quadratics, many at once: which linear steps are stable, and what they cost on average.

l(phi) = 1/2 (phi - xi_t)^T H (phi - xi_t), phi <- phi - (alpha I + P) grad l: alpha stands for a learned update's
nominal term, P for the rest. With A = I - (alpha I + P) H, phi <- A phi + (I - A) xi_t, which is stable iff no
eigenvalue of A is larger than 1 in size. For symmetric P, lambda_min(P) >= -alpha is necessary for it, and together
with lambda_max(P) <= 2 / lambda_max(H) - alpha sufficient. Source: Harrison, Metz, Sohl-Dickstein, "A Closer Look at
Learned Optimization" (NeurIPS 2022). Shapes: n systems of dimension d.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

DOUBLINGS = 40
"""Of the steps that a stationary state is summed over: 2^40."""


@dataclass(frozen=True, eq=False)
class Systems:
    """Quadratics, and the step on each.

    Args:
        hessian: H, symmetric and positive definite [n, d, d].
        learned: P [n, d, d].
        nominal: alpha [n].
    """

    hessian: Array
    learned: Array
    nominal: Array

    @cached_property
    def transition(self) -> Array:
        """A = I - (alpha I + P) H [n, d, d]."""
        one = np.eye(self.hessian.shape[-1])
        return one - (self.nominal[:, None, None] * one + self.learned) @ self.hessian

    @cached_property
    def radius(self) -> Array:
        """Spectral radius of A [n]; a system is stable where it is at most 1."""
        return np.abs(np.linalg.eigvals(self.transition)).max(-1)

    @property
    def least(self) -> Array:
        """The bound that no eigenvalue of a symmetric P may be below, -alpha [n]."""
        return -self.nominal

    @property
    def most(self) -> Array:
        """The bound below which they are safe, 2 / lambda_max(H) - alpha [n]."""
        return 2 / np.linalg.eigvalsh(self.hessian)[:, -1] - self.nominal

    def expected(self, start: Array, noise: float, steps: int) -> Array:
        """E 1/2 phi^T H phi before every step and after the last, exactly [steps + 1, n].

        The second moment goes from S to A S A^T + noise^2 (I - A) (I - A)^T.

        Args:
            start: phi [n, d].
            noise: deviation of every coordinate of xi_t, which is normal with mean 0.
            steps: how many.
        """
        moment, found = start[:, :, None] * start[:, None], []
        for step in range(steps + 1):
            found.append(self._loss(moment))
            if step < steps:
                moment = self.transition @ moment @ self.transition.swapaxes(1, 2) + self._noise(noise)
        return np.stack(found)

    def stationary(self, noise: float) -> Array:
        """The second moment E phi phi^T in the limit [n, d, d], of systems with a radius below 1.

        The sum of A^t Q A^T^t over all t, where Q is what one step adds; each pass doubles the number of terms.
        """
        moment, power = self._noise(noise), self.transition
        for _ in range(DOUBLINGS):
            moment = moment + power @ moment @ power.swapaxes(1, 2)
            power = power @ power
        return moment

    def settled(self, noise: float) -> Array:
        """E 1/2 phi^T H phi in the limit [n], of systems with a radius below 1."""
        return self._loss(self.stationary(noise))

    def simulated(self, start: Array, noise: float, steps: int, draws: np.random.Generator) -> Array:
        """One course of every system: 1/2 phi^T H phi before every step and after the last [steps + 1, n]."""
        phi, found = start, []
        step_size = self.nominal[:, None, None] * np.eye(start.shape[1]) + self.learned
        for step in range(steps + 1):
            found.append(0.5 * np.einsum("ni,nij,nj->n", phi, self.hessian, phi))
            if step < steps:
                gradient = self.hessian @ (phi - noise * draws.standard_normal(phi.shape))[..., None]
                phi = phi - (step_size @ gradient)[..., 0]
        return np.stack(found)

    def _noise(self, noise: float) -> Array:
        added = np.eye(self.hessian.shape[-1]) - self.transition
        return noise**2 * added @ added.swapaxes(1, 2)

    def _loss(self, moment: Array) -> Array:
        loss: Array = 0.5 * np.einsum("nij,nji->n", self.hessian, moment)
        return loss


def turned(values: Array, draws: np.random.Generator) -> Array:
    """Symmetric matrices with these eigenvalues [n, d] along random directions [n, d, d]."""
    directions, _ = np.linalg.qr(draws.standard_normal((*values.shape, values.shape[-1])))
    return directions * values[:, None] @ directions.swapaxes(1, 2)


def skewed(values: Array, draws: np.random.Generator) -> Array:
    """Matrices with these eigenvalues [n, d] along random directions that are not orthogonal [n, d, d]."""
    directions = draws.standard_normal((*values.shape, values.shape[-1]))
    return np.linalg.solve(directions.swapaxes(1, 2), values[..., None] * directions.swapaxes(1, 2)).swapaxes(1, 2)
