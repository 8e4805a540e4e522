"""Convex problems of N clients: gradients at many models at once, and the excess loss over the optimum.

F(w) = mean_i F_i(w). Rows are pairs (client, seed), client by client.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from fedkd.tasks import LeastSquares, Logistic, client_weights
from fedkd.tasks.convex import Optimum
from sims.convex import gradients
from sims.convex.streams import Streams, folded

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Places = NDArray[np.int64]


class Problem(Protocol):
    """What the engine asks of a problem."""

    @property
    def clients(self) -> int:
        """N."""
        ...

    @property
    def dim(self) -> int:
        """The dimension d."""
        ...

    @property
    def samples(self) -> tuple[int, ...]:
        """Of each client."""
        ...

    def gradients(self, models: Tensor, clients: Places, seeds: Places, round_: int) -> Tensor:
        """Of each row's client at the row's model [K, d]."""
        ...

    def excess(self, models: Tensor) -> NDArray[np.float64]:
        """F(w) - F* of models [S, d]."""
        ...


@dataclass(frozen=True, eq=False)
class Samples:
    """Logistic regression or least squares on samples, the clients' one after another.

    Args:
        x: float64 [n, d], contiguous.
        y: float64 [n].
        samples: how many of them are each client's, in order.
        batch: samples of a stochastic gradient, drawn as ``fedkd.trainers.Serial`` draws its first batch; 0: all.
        seeds: of the runs.
        optimum: of F, if it is known.
    """

    task: LeastSquares | Logistic
    x: Tensor
    y: Tensor
    samples: tuple[int, ...]
    batch: int
    seeds: tuple[int, ...]
    optimum: Optimum | None = None

    @property
    def clients(self) -> int:
        """N."""
        return len(self.samples)

    @property
    def dim(self) -> int:
        """The dimension d."""
        return self.x.shape[1]

    @cached_property
    def parts(self) -> list[Places]:
        """The samples of every client."""
        return np.split(np.arange(sum(self.samples)), np.cumsum(self.samples)[:-1])

    @cached_property
    def weights(self) -> Tensor:
        """Of the samples in F [n]."""
        return client_weights(self.parts, len(self.y))

    @cached_property
    def best(self) -> Optimum:
        """The minimiser of F, to rounding."""
        return self.optimum or self.task.optimum(self.x, self.y, self.weights)

    def gradients(self, models: Tensor, clients: Places, seeds: Places, round_: int) -> Tensor:
        """Of each row's client at the row's model [K, d]."""
        out, counts, begins = torch.empty_like(models), self._counts[clients], self._begins[clients]
        kind = gradients.SQUARES if isinstance(self.task, LeastSquares) else gradients.LOGISTIC
        if not len(clients):
            return out
        common = kind, self.task.l2, self.x.numpy(), self.y.numpy(), models.numpy()
        if not self.batch:
            gradients.on_clients(*common, begins, counts, out.numpy())
            return out
        # Only streams of those who take part are folded.
        drawn = folded(self._streams.of(round_, self._everyone)[clients, seeds], 0)
        chosen = np.empty((len(clients), self.batch), np.int64)
        gradients.draw(drawn, begins, counts, self.batch, chosen)
        gradients.on_batches(*common, chosen, np.minimum(counts, self.batch), out.numpy())
        return out

    def excess(self, models: Tensor) -> NDArray[np.float64]:
        """F(w) - F* of models [S, d]."""
        scores, ridge = self.x @ models.T, 0.5 * self.task.l2 * models.square().sum(1)
        if isinstance(self.task, LeastSquares):
            losses = 0.5 * self.weights @ (scores - self.y[:, None]).square_()
        else:
            losses = -self.weights @ torch.nn.functional.logsigmoid(scores.mul_(self.y[:, None]))
        excess: NDArray[np.float64] = (losses + ridge - self.best.loss).numpy()
        return excess

    @cached_property
    def _counts(self) -> Places:
        return np.array(self.samples)

    @cached_property
    def _begins(self) -> Places:
        return np.cumsum(self._counts) - self._counts

    @cached_property
    def _everyone(self) -> Places:
        return np.arange(self.clients)

    @cached_property
    def _streams(self) -> Streams:
        return Streams(self.seeds, "train")


@dataclass(frozen=True, eq=False)
class Quadratic:
    """F_i(w) = 1/2 (w - b_i)^T A (w - b_i), without noise; its minimiser is the mean of the b_i.

    Args:
        matrix: A, float64 [d, d], symmetric and positive definite.
        centres: b_i, [N, d].
    """

    matrix: Tensor
    centres: Tensor

    @staticmethod
    def drawn(clients: int, dim: int, least: float, seed: int) -> Quadratic:
        """Eigenvalues geometric in [least, 1] along random directions, centres standard normal."""
        random = torch.Generator().manual_seed(seed)
        directions = torch.linalg.qr(torch.randn(dim, dim, generator=random, dtype=torch.float64))[0]
        values = least ** torch.linspace(0, 1, dim, dtype=torch.float64)
        centres = torch.randn(clients, dim, generator=random, dtype=torch.float64)
        return Quadratic(directions * values @ directions.T, centres)

    @property
    def clients(self) -> int:
        """N."""
        return len(self.centres)

    @property
    def dim(self) -> int:
        """The dimension d."""
        return self.centres.shape[1]

    @property
    def samples(self) -> tuple[int, ...]:
        """One each: clients count alike."""
        return (1,) * self.clients

    def gradients(self, models: Tensor, clients: Places, seeds: Places, round_: int) -> Tensor:
        """A (w - b_i) [K, d]."""
        return (models - self.centres[torch.from_numpy(clients)]) @ self.matrix

    def excess(self, models: Tensor) -> NDArray[np.float64]:
        """1/2 (w - w*)^T A (w - w*) of models [S, d]."""
        away = models - self.centres.mean(0)
        return (0.5 * ((away @ self.matrix) * away).sum(1)).numpy()


def stacked(
    task: LeastSquares | Logistic,
    parts: Sequence[tuple[Tensor, Tensor]],
    batch: int,
    seeds: tuple[int, ...],
    optimum: Optimum | None = None,
) -> Samples:
    """The problem of clients' samples (x_i, y_i)."""
    x = torch.cat([x for x, _ in parts]).contiguous()
    return Samples(task, x, torch.cat([y for _, y in parts]), tuple(len(y) for _, y in parts), batch, seeds, optimum)
