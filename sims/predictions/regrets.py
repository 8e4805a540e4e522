"""Learners on made-up instances: what they lose on average, beside the best fixed prediction and the regret's bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from fedkd.predict.descent import LinearDescent
from fedkd.predict.duals import Duals
from fedkd.predict.matching import assign
from fedkd.predict.page_migration import Space, optimum, plan
from fedkd.predict.page_requests import Requests
from fedkd.predict.regret import Learner
from fedkd.predict.ski_rental import LearnedTrust, Threshold
from fedkd.predict.ski_rules import Deterministic

JOBS = 8
"""Jobs of an instance, and rows and columns of a matching."""
CLIENTS = 100
"""From whom cohorts are drawn."""
DAYS = 20
"""Price of buying."""
STEPS, HOSTS, WINDOW = 48, 4, 12
"""Requests of an instance, points, and requests of a window."""


@dataclass(frozen=True)
class Course:
    """Averages over the first t instances, for some t.

    Args:
        counts: t.
        learned: U_t of the predictions that were made.
        best: of the best fixed prediction.
        bound: what regret theory allows: best + bound on the sum of regrets/t.
        cost: what the algorithm paid.
    """

    counts: Sequence[int]
    learned: Sequence[float]
    best: Sequence[float]
    bound: Sequence[float]
    cost: Sequence[float]


Draws = np.random.Generator
Steps = Iterator[tuple[Learner, float]]
"""After each instance: the learner, and its bound on the sum of regrets."""


def job_lengths(draws: Draws) -> Steps:
    """Length 5 + 0.2 samples, times exp(0.1 z); linear in (1, samples/100)."""
    learner = LinearDescent(features=2, outcomes=1, radius=40.0)
    while True:
        samples = np.exp(np.log(100) + 0.7 * draws.standard_normal())
        length = (5 + 0.2 * samples) * np.exp(0.1 * draws.standard_normal())
        learner.observe(np.array([1.0, samples / 100]), np.array([length]))
        yield learner, learner.bound


def duals(draws: Draws) -> Steps:
    """Clients on workers: a fixed matrix of up to 1,000, and noise of up to 50."""
    learner, names = Duals(box=1000.0), range(JOBS)
    for costs in waves(draws):
        learner.observe(names, names, assign(costs, *learner.suggest(names, names)))
        yield learner, learner.bound


def waves(draws: Draws) -> Iterator[np.ndarray]:
    """The costs of ``duals``."""
    fixed = draws.integers(0, 1000, (JOBS, JOBS))
    while True:
        yield fixed + draws.integers(-50, 51, fixed.shape)


def cold(seed: int, instances: int) -> np.ndarray:
    """Dual updates [t] of ``duals`` where nothing is predicted: rows start at their least cost."""
    costs = islice(waves(np.random.default_rng(seed)), instances)
    return np.array([assign(each).updates for each in costs])


def cohorts(seed: int, instances: int) -> tuple[np.ndarray, np.ndarray]:
    """Dual updates [t] from zero and from learned duals where each matching is of eight clients out of a hundred."""
    draws, learner = np.random.default_rng(seed), Duals(box=1000.0)
    fixed, found = draws.integers(0, 1000, (CLIENTS, JOBS)), []
    for _ in range(instances):
        clients = draws.permutation(CLIENTS)[:JOBS].tolist()
        costs = fixed[clients] + draws.integers(-50, 51, (JOBS, JOBS))
        warm = assign(costs, *learner.suggest(clients, range(JOBS)))
        learner.observe(clients, range(JOBS), warm)
        found.append((assign(costs).updates, warm.updates))
    zero, learned = np.array(found).T
    return zero, learned


def trust(draws: Draws) -> Steps:
    """Days are geometric of mean 30, predicted with an error of exp(z)."""
    learner = LearnedTrust([Deterministic(DAYS, each / 10) for each in range(1, 11)])
    while True:
        days = int(draws.geometric(1 / 30))
        learner.observe(days * float(np.exp(draws.standard_normal())), days)
        yield learner, learner.bound


def threshold(draws: Draws) -> Steps:
    """Gaps between two uses: exponential of mean price/4, but one in five of 10 prices."""
    learner = Threshold(float(DAYS))
    while True:
        mean = DAYS * (10 if draws.random() < 0.2 else 0.25)
        learner.observe(np.array([draws.exponential(mean)]))
        yield learner, learner.bound


def requests(draws: Draws) -> Steps:
    """Four hosts, twelve requests at each in turn; one in ten comes from anywhere."""
    learner, usual = Requests(HOSTS, STEPS, WINDOW), np.arange(STEPS) * HOSTS // STEPS
    space = Space(1.0 - np.eye(HOSTS), move=WINDOW)
    while True:
        asked = np.where(draws.random(STEPS) < 0.1, draws.integers(0, HOSTS, STEPS), usual)
        paid, least = (
            space.costs(each, asked).sum() for each in (plan(space, learner.suggest()), optimum(space, asked))
        )
        learner.observe(asked, float(paid), float(least))
        yield learner, learner.bound


APPLICATIONS: dict[str, Callable[[Draws], Steps]] = {
    "job lengths": job_lengths,
    "duals": duals,
    "ski rental, trust": trust,
    "ski rental, threshold": threshold,
    "page migration": requests,
}
UNITS = {
    "job lengths": "|x - y|, seconds",
    "duals": "|x - y|_1, of 16 duals",
    "ski rental, trust": "cost, days",
    "ski rental, threshold": "cost, days",
    "page migration": "missed in the worst window",
}


def course(steps: Steps, instances: int) -> Course:
    """Run as many instances, looking at about 16 of them, evenly in log t."""
    marks = np.unique(np.geomspace(1, instances, 16).round().astype(int)).tolist()
    rows = []
    for t, (learner, bound) in zip(range(1, instances + 1), steps, strict=False):
        if t in marks:
            found = learner.regret()
            rows.append((found.surrogate / t, found.best / t, (found.best + bound) / t, found.cost / t))
    learned, best, allowed, cost = (list(each) for each in zip(*rows, strict=True))
    return Course(marks, learned, best, allowed, cost)
