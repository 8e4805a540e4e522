"""Meta-training: all particles one truncation on, their losses told, one step of theta; again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd.keys import key
from fedkd.metatraining.evolution import gradient, noise, persisted
from fedkd.metatraining.exchange import FOUND, Exchange, Found, told
from fedkd.metatraining.families import family_of
from fedkd.metatraining.learner import ThetaLearner
from fedkd.metatraining.unrolls import Lengths, Unrolls
from fedkd_compression import Key

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.metatraining.families import Family
    from fedkd.metatraining.terms import Terms


@dataclass(frozen=True)
class Progress:
    """A step of theta.

    Args:
        step: from 0.
        losses: the mean of L+ and L- of each group.
        norm: of the gradient.
    """

    step: int
    losses: list[float]
    norm: float


class MetaTraining:
    """The groups of this rank, theta, and what is known of every particle of all ranks.

    Args:
        terms: what is asked.
        exchange: the ranks, among whom groups are dealt by their work.
    """

    def __init__(self, terms: Terms, exchange: Exchange) -> None:
        self.terms, self.exchange = terms, exchange
        self.learner = ThetaLearner(terms)
        self.totals = torch.zeros(len(terms.families) * terms.particles, self.learner.form.size, dtype=torch.float64)
        self._stream = key(terms.seed, "optimizer").fold("particles")
        families = [family_of(name) for name in terms.families]
        self._dealt = dealt([family.work for family in families], exchange.size)
        self.groups = {group: self._group(group, families[group]) for group in self._dealt[exchange.rank]}

    def advance(self) -> Progress:
        """One truncation, one step."""
        step, estimate, losses = self.learner.step, *self.estimated()
        return Progress(step, losses, self.learner.move(estimate))

    def estimated(self) -> tuple[Tensor, list[float]]:
        """The gradient of this truncation, the same on all ranks to the last bit [P], and the groups' mean losses."""
        step = self.learner.step
        own = [self._found(group, step) for group in self.groups]
        found = self._in_order(told(self.exchange, np.concatenate([_NONE, *own])))
        eps = noise(Key(tuple(found["seed"].tolist())), self.learner.form.size, self.terms.sigma)
        begins, above, below = (torch.from_numpy(found[name].copy()) for name in ("begins", "above", "below"))
        self.totals = persisted(self.totals, eps, begins)
        means = ((above + below) / 2).view(len(self.terms.families), -1).mean(1).tolist()
        return gradient(above, below, self.totals, self.terms.sigma), means

    def _found(self, group: int, step: int) -> Found:
        """One truncation of a group."""
        streams = self._stream.fold(group, "noise", step).spread(self.terms.particles)
        eps = noise(streams, self.learner.form.size, self.terms.sigma)
        thetas = torch.cat((self.learner.vector + eps, self.learner.vector - eps)).float()
        losses = self.groups[group].advance(thetas, step)
        found = np.empty(self.terms.particles, FOUND)
        found["seed"] = streams.array()
        for name, values in losses._asdict().items():
            found[name] = values.numpy()
        return found

    def _in_order(self, by_rank: Sequence[Found]) -> Found:
        """Of all particles, by group, whichever rank told it."""
        found = np.empty((len(self.terms.families), self.terms.particles), FOUND)
        for rank, rows in enumerate(by_rank):
            found[self._dealt[rank]] = rows.reshape(-1, self.terms.particles)
        return found.reshape(-1)

    def _group(self, group: int, family: Family) -> Unrolls:
        terms = self.terms
        lengths = Lengths(terms.truncation, terms.shortest, terms.longest)
        return Unrolls(family, self.learner.form, lengths, self._stream.fold(group), terms.particles)


def dealt(works: Sequence[float], ranks: int) -> list[list[int]]:
    """The groups of each rank, in order: the longest first, each to the rank that has least to do.

    Example:
        >>> dealt([3.0, 1.0, 2.0, 1.0], 2)
        [[0, 3], [1, 2]]
    """
    given, left = [list[int]() for _ in range(ranks)], [0.0] * ranks
    for group in sorted(range(len(works)), key=lambda group: -works[group]):
        rank = left.index(min(left))
        given[rank].append(group)
        left[rank] += works[group]
    return [sorted(groups) for groups in given]


_NONE = np.empty(0, FOUND)


def mean_loss(progress: Sequence[Progress]) -> list[float]:
    """Of each group, over some steps."""
    return [fmean(values) for values in zip(*(each.losses for each in progress), strict=True)]
