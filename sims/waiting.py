"""How well a learned deadline waits: streams of finish times, what a threshold costs, and the best fixed one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fedkd.clocks import SkiRental

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd.clocks.deadline import Learned

    Seconds = NDArray[np.float64]

SAMPLE = 100_000
"""Finish times that stand for the law itself."""


@dataclass(frozen=True)
class Law:
    """A law of finish times.

    Args:
        means: in words.
        median: of it.
        draw: finish times of this shape.
    """

    name: str
    means: str
    median: float
    draw: Callable[[np.random.Generator, tuple[int, int]], Seconds]


def _bimodal(random: np.random.Generator, shape: tuple[int, int]) -> Seconds:
    return np.where(random.random(shape) < 0.15, 10.0, 1.0) * random.lognormal(0, 0.25, shape)


LAWS = (
    Law("lognormal", "exp(z), z standard normal", 1.0, lambda random, shape: random.lognormal(0, 1, shape)),
    Law("Pareto", "P(t > x) = x^-1.1, x >= 1", 2 ** (1 / 1.1), lambda random, shape: 1 + random.pareto(1.1, shape)),
    Law("bimodal", "exp(.25 z), ten times that for 15 %", 1.0, _bimodal),
    Law("exponential", "of mean .3", 0.3 * math.log(2), lambda random, shape: random.exponential(0.3, shape)),
)
"""The median of the bimodal one is that of its fast clients, for the price's unit."""


def costs(rounds: Seconds, tau: Seconds, price: float) -> Seconds:
    """Sum over rounds [T, K] of min(max_k t_k, tau) + price #{k: t_k > tau}, for each tau [n].

    Example:
        >>> costs(np.array([[1.0, 5.0], [2.0, 3.0]]), np.array([0.0, 3.0]), price=4.0)
        array([16., 10.])
    """
    ends, every = np.sort(rounds.max(axis=1)), np.sort(rounds, axis=None)
    ended = np.searchsorted(ends, tau, side="right")
    waited = np.concatenate([[0.0], np.cumsum(ends)])[ended] + (len(ends) - ended) * tau
    found: Seconds = waited + price * (every.size - np.searchsorted(every, tau, side="right"))
    return found


def best(rounds: Seconds, price: float) -> tuple[float, float]:
    """The best fixed threshold in hindsight and its cost: of 0 and all finish times, between which cost only grows."""
    tau = np.concatenate([[0.0], np.sort(rounds, axis=None)])
    found = costs(rounds, tau, price)
    place = int(found.argmin())
    return float(tau[place]), float(found[place])


def paid(rounds: Seconds, price: float, seed: int) -> Seconds:
    """What each round [T] costs a server that learns."""
    deadline, found = SkiRental(price, least=0.0), np.zeros(len(rounds))
    learned: Learned = {}
    for round_, arrivals in enumerate(np.sort(rounds, axis=1)):
        tau = deadline.limit(arrivals, learned, seed, round_)
        found[round_] = min(arrivals[-1], tau) + price * (arrivals > tau).sum()
        learned = deadline.learn(arrivals, learned)
    return found


@dataclass(frozen=True)
class Waiting:
    """A law, a price and a cohort: one entry a stream.

    Args:
        law: of finish times.
        price: in medians of the law.
        cohort: K.
        tau: the best fixed threshold of each stream's end.
        excess: cost after so many rounds over that of the best fixed threshold for them, less 1 [streams, marks].
        known: the same, at the end, of the threshold that is best for the law.
        patient: the same of waiting for everyone.
    """

    law: Law
    price: float
    cohort: int
    tau: Seconds
    excess: Seconds
    known: Seconds
    patient: Seconds


def marks(rounds: int) -> list[int]:
    """Rounds after which a stream is looked at: a geometric row, a tenth of all, and all."""
    return sorted({*np.geomspace(min(10, rounds), rounds, 17).astype(int).tolist(), max(rounds // 10, 1), rounds})


def waiting(law: Law, price: float, cohort: int, rounds: int, streams: int) -> Waiting:
    """Play the streams."""
    unit, looked = price * law.median, np.array(marks(rounds))
    typical, _ = best(law.draw(np.random.default_rng((streams, cohort)), (SAMPLE // cohort, cohort)), unit)
    rows = []
    for seed in range(streams):
        times = law.draw(np.random.default_rng(seed), (rounds, cohort))
        spent = np.cumsum(paid(times, unit, seed))[looked - 1]
        least = np.array([best(times[:count], unit)[1] for count in looked])
        tau, cost = best(times, unit)
        fixed = costs(times, np.array([typical, times.max()]), unit)
        rows.append((tau, spent / least - 1, *(fixed / cost - 1)))
    tau, excess, known, patient = (np.array(each) for each in zip(*rows, strict=True))
    return Waiting(law, price, cohort, tau, excess, known, patient)
