"""A deadline that is learned: how long to wait for a round's replies, as in ski rental."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fedkd.clocks.deadline import Deadline, Learned, there
from fedkd.data.bounds import positive
from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.predict.experts import Experts
from fedkd.predict.ski_rental import losses

if TYPE_CHECKING:
    from fedkd.clocks.deadline import Seconds

KEPT = "ski_rental"
LEAST, MOST, STEPS = 64, 4, 8
"""Thresholds reach from price/64 to 4 price K, eight to a factor of two."""


@dataclass(frozen=True)
class SkiRental(Deadline):
    """Waiting costs 1 a virtual second, an update that is lost ``price``; the threshold tau is learned.

        loss(tau; t_1..t_K) = min(max_k t_k, tau) + price #{k: t_k > tau},   tau >= t_m, m = ceil(least K),
    of every earlier round, all its replies included: exponential weights on a grid (``fedkd.predict.Experts``), from
    which a round's tau is drawn as a function of (seed, round). The server always waits for m replies, since a round
    without enough ends a run: a lower tau counts as t_m. Before anything is known tau is price K: the server waits
    until that has cost what all replies are worth. A round with more replies than the grid was made for begins anew.

    Args:
        price: virtual seconds that a late update is worth, > 0.
        least: share of the replies that the server waits for in any case, in [0, 1]; 0 for none of them.

    Example:
        >>> deadline, arrivals = SkiRental(price=2.0, least=0.5), np.array([1.0, 1.5, 30.0])
        >>> deadline.limit(arrivals, {}, seed=0, round_=0)
        6.0
        >>> learned = deadline.learn(arrivals, {})
        >>> round(deadline.limit(arrivals, learned, seed=0, round_=1), 3)
        1.5
    """

    price: float
    least: float

    def __post_init__(self) -> None:
        positive(self, "price")
        if not 0 <= self.least <= 1:
            raise ConfigurationError(f"SkiRental: least={self.least} is outside [0, 1]; choose one in it")

    @property
    def waits(self) -> bool:
        """At least = 1."""
        return self.least == 1

    def limit(self, arrivals: Seconds, learned: Learned, seed: int, round_: int) -> float:
        """A threshold drawn by its weight, or the m-th arrival if that is later."""
        known = self._known(learned)
        uniform = float(key(seed, "deadline", round_).uniforms(1))
        tau = self.price * len(arrivals) if known is None else known.suggest(uniform)
        return max(tau, self._needed(arrivals))

    def learn(self, arrivals: Seconds, learned: Learned) -> Learned:
        """The weights after a round."""
        known, replies = self._known(learned), learned.get(KEPT, {}).get("replies", 0)
        if known is None or len(arrivals) > replies:
            # Twice as many as ever, so that cohorts that grow one by one begin anew but a few times.
            replies = len(arrivals) if known is None else 2 * len(arrivals)
            known = Experts(thresholds(self.price, replies))
        known.observe(losses(arrivals, np.maximum(known.grid, self._needed(arrivals)), self.price))
        kept = {"price": self.price, "least": self.least, "replies": replies, "experts": known.keep()}
        return {KEPT: kept}

    def _needed(self, arrivals: Seconds) -> float:
        """When those are there for whom the server waits in any case."""
        return there(arrivals, self.least) if self.least > 0 else 0.0

    def _known(self, learned: Learned) -> Experts | None:
        """What was learned with these numbers; with others it was about something else."""
        kept = learned.get(KEPT, {"price": None})
        same = kept["price"] == self.price and kept["least"] == self.least
        return Experts.resumed(kept["experts"]) if same else None


def thresholds(price: float, replies: int) -> Seconds:
    """0, then from price/64 to 4 price K in steps of 2^(1/8): at most 9 % above any threshold between them.

    The end is finite so that no single round, not even one of a reply that never comes, costs so much that learning
    slows down. It costs at most a quarter more than waiting for everyone, who then take longer than 4 price K.

    Args:
        price: > 0.
        replies: K >= 1, of the round from which learning starts.
    """
    count = math.ceil(STEPS * math.log2(LEAST * MOST * replies))
    return np.concatenate([[0.0], MOST * price * replies * np.exp2(-np.arange(count, -1, -1) / STEPS)])
