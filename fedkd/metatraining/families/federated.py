"""Federated rounds on divided samples: the tasks of a server, whose step is a round."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.data import Dirichlet
from fedkd.metatraining.families.base import Family, Start
from fedkd.metatraining.families.networks import drawn_network, loss, work_of

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression import Key

HELD_OUT = 4
"""One sample in so many is no client's."""


@dataclass(frozen=True)
class Rounds:
    """What a round is.

    Args:
        clients: among whom a task divides the samples.
        cohort: of them that take part in a round.
        steps: local steps of each.
        batch: samples of a local step.
        rate: local learning rate.
        least: smallest concentration of the Dirichlet distribution; a task's is log-uniform from it to ``most``.
        most: the largest.
    """

    clients: int
    cohort: int
    steps: int
    batch: int
    rate: float
    least: float
    most: float


class Federated(Family):
    """Perceptrons on samples that are divided by Dirichlet's law among clients; the step of a task is a round.

    The gradient of a round is the pseudo-gradient (w - mean w_i) / (steps rate). Its loss is that of w on samples that
    no client holds: an optimizer that makes the clients' own losses vanish can make it grow.

    Args:
        x: samples [N, features]; every ``HELD_OUT``-th is held out.
        y: their classes [N].
        hidden: widths of the hidden layers.
        rounds: what a round is.
    """

    ceiling = 4.6
    floor = 1e-1

    def __init__(self, x: Tensor, y: Tensor, hidden: tuple[int, ...], rounds: Rounds) -> None:
        held = torch.arange(len(x)) % HELD_OUT == 0
        self.x, self.y, self.rounds = x[~held], y[~held], rounds
        self._held_out = x[held], y[held]
        self.widths = (x.shape[1], *hidden, int(y.max()) + 1)
        self.work = work_of(self.widths) * rounds.cohort * rounds.steps
        self._gradients = torch.func.vmap(torch.func.grad(loss))
        self._losses = torch.func.vmap(loss, in_dims=(0, None, None))

    def begin(self, stream: Key) -> Start:
        """A network and a division: places of each client's samples [clients, most], padded, and their number."""
        rounds = self.rounds
        share = float(stream.fold("alpha").uniforms(1)[0, 0])
        alpha = rounds.least * math.exp(share * math.log(rounds.most / rounds.least))
        parts = Dirichlet(alpha, 1, False).partition(self.y.numpy(), rounds.clients, stream.fold("partition"), None)
        places = torch.zeros(rounds.clients, len(self.y), dtype=torch.int32)
        for row, part in zip(places, parts, strict=True):
            row[: len(part)] = torch.from_numpy(part)
        counts = torch.tensor([len(part) for part in parts], dtype=torch.int32)
        return Start(drawn_network(self.widths, stream), [places, counts])

    def draws(self, streams: Key, steps: int) -> Tensor:
        """Uniform numbers for the cohort, then for its batches [n, steps, clients + cohort steps batch]."""
        rounds = self.rounds
        width = rounds.clients + rounds.cohort * rounds.steps * rounds.batch
        return streams.uniforms(steps * width).view(-1, steps, width)

    def slopes(self, params: list[Tensor], fixed: list[Tensor], drawn: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Every member of the cohort takes its local steps from w, all models' members at once."""
        rounds, models = self.rounds, len(drawn)
        batches = self._batches(fixed, drawn)
        local = [part.repeat_interleave(rounds.cohort, 0) for part in params]
        for step in range(rounds.steps):
            grads = self._gradients(local, self.x[batches[:, step]], self.y[batches[:, step]])
            local = [part - rounds.rate * grad for part, grad in zip(local, grads, strict=True)]
        scale = rounds.steps * rounds.rate
        means = [part.view(models, rounds.cohort, *part.shape[1:]).mean(1) for part in local]
        slopes = [(before - after) / scale for before, after in zip(params, means, strict=True)]
        return self._losses(params, *self._held_out), slopes

    def _batches(self, fixed: list[Tensor], drawn: Tensor) -> Tensor:
        """Places in all samples [models cohort, steps, batch]."""
        rounds, (places, counts) = self.rounds, fixed
        members = drawn[:, : rounds.clients].argsort(1)[:, : rounds.cohort]
        uniforms = drawn[:, rounds.clients :].view(len(drawn), rounds.cohort, -1)
        held = counts.gather(1, members)
        picked = (uniforms * held[..., None]).long()
        rows = places[torch.arange(len(drawn))[:, None], members].long()
        return rows.gather(2, picked).view(-1, rounds.steps, rounds.batch)
