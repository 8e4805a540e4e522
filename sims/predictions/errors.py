"""Algorithms with predictions of growing error: what they pay over the optimum, beside what their bounds allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fedkd.predict import page_migration as page
from fedkd.predict import round_robin
from fedkd.predict.matching import assign
from fedkd.predict.page_migration import Space
from fedkd.predict.ski_rules import Deterministic

TRUSTS = (0.25, 0.5, 0.75)
SIZES = (8, 16, 32)
JOBS, PRICE = 20, 30
HOSTS, MOVE, REQUESTS = 6, 10.0, 1000
LENGTH_ERRORS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
DUAL_ERRORS = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
DAY_ERRORS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0)
SHARES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

Draws = np.random.Generator
Point = tuple[float, float, float]
"""Error, paid, bound; each a mean over instances."""


@dataclass(frozen=True)
class Line:
    """One setting of an algorithm at growing error.

    Args:
        errors: means over instances; so are the others.
        paid: cost/optimum; of matching, dual updates.
        bound: of it.
    """

    name: str
    errors: Sequence[float]
    paid: Sequence[float]
    bound: Sequence[float]


def lines(application: str, seed: int, instances: int) -> list[Line]:
    """All settings of an application; each sees the same instances."""
    found = []
    settings, errors, point = APPLICATIONS[application]
    for setting in settings:
        rows = []
        for error in errors:
            # The same instances at every error.
            draws = np.random.default_rng(seed)
            rows.append(np.mean([point(setting, error, draws) for _ in range(instances)], axis=0))
        columns = (np.array(rows)[:, column].tolist() for column in range(3))
        found.append(Line(f"m = {setting}" if application == "duals" else f"trust {setting:g}", *columns))
    return found


def jobs(trust: float, error: float, draws: Draws) -> Point:
    """Preferential round robin: 20 jobs, lengths at least 1 with a heavy tail, predicted with Gaussian error."""
    lengths = 1 + draws.pareto(1.5, JOBS)
    predicted = lengths + error * draws.standard_normal(JOBS)
    away = float(np.abs(predicted - lengths).sum())
    paid = float(round_robin.completions(lengths, predicted, trust).sum()) / round_robin.optimum(lengths)
    return away / JOBS, paid, round_robin.bound(trust, away, JOBS)


def duals(size: int, error: float, draws: Draws) -> Point:
    """Matching: costs up to 1,000, exact duals with Gaussian error; the bound counts rounded ones."""
    costs = draws.integers(0, 1000, (size, size))
    exact = assign(costs)
    rows, columns = (np.rint(each + error * draws.standard_normal(size)) for each in (exact.rows, exact.columns))
    away = float(np.abs(rows - exact.rows).sum() + np.abs(columns - exact.columns).sum())
    return away, float(assign(costs, rows, columns).updates), min(away, size * (size + 1) / 2)


def days(trust: float, error: float, draws: Draws) -> Point:
    """Ski rental: days are geometric of mean 30 = price, predicted with an error of exp(error z).

    Of one instance: ratio <= min{1 + 1/trust, 1 + trust + eta/((1 - trust) OPT)}, eta = |predicted - days|.
    """
    lasted = int(draws.geometric(1 / PRICE))
    predicted = lasted * float(np.exp(error * draws.standard_normal()))
    rule, least = Deterministic(PRICE, trust), min(lasted, PRICE)
    away = abs(predicted - lasted) / least
    bound = min(rule.robust, rule.consistent + away / (1 - trust))
    return away, rule.cost(predicted, lasted) / least, bound


def requests(trust: float, error: float, draws: Draws) -> Point:
    """Page migration: 1,000 requests from a place that changes now and then; a share of predictions is sure and wrong.

    The plan guarded by the coin; the bound is the plan's where its condition holds, else that of the guard.
    """
    points = draws.random((HOSTS, 2))
    distances = np.abs(points[:, None] - points).sum(-1)
    space = Space((distances + distances.T) / 2, MOVE)
    at = np.repeat(draws.integers(0, HOSTS, REQUESTS), 40)[:REQUESTS]
    wrong = np.where(draws.random(REQUESTS) < error, draws.integers(0, HOSTS, REQUESTS), at)
    predicted = np.eye(HOSTS)[wrong]
    safe = page.coin(space, at, draws.random(REQUESTS))
    guarded = page.guarded(space, at, page.plan(space, predicted), safe, trust)
    paid, least, fallback = (float(space.costs(each, at).sum()) for each in (guarded, page.optimum(space, at), safe))
    u = page.surrogate(space, predicted, at, int(MOVE))
    robust = (fallback / trust + space.diameter * (MOVE * (2 + 1 / trust) + 1)) / least
    smooth = (1 + u) / (1 - u) if u <= (1 - trust) / (1 + trust) else np.inf
    return float((wrong != at).mean()), paid / least, min(robust, smooth)


APPLICATIONS: dict[str, tuple[Sequence[float], Sequence[float], Callable[..., Point]]] = {
    "job lengths": (TRUSTS, LENGTH_ERRORS, jobs),
    "duals": (SIZES, DUAL_ERRORS, duals),
    "ski rental": (TRUSTS, DAY_ERRORS, days),
    "page migration": (TRUSTS, SHARES, requests),
}
"""Settings, errors, and an instance."""
LEAST = {"job lengths": 0.03, "duals": 2.0, "ski rental": 0.03, "page migration": 0.002}
"""Where figures draw the error 0 on a logarithmic axis."""
ERRORS = {
    "job lengths": "|y - p|_1/n, shortest job 1",
    "duals": "|y* - y0|_1",
    "ski rental": "|predicted - days|/optimum",
    "page migration": "share of wrong predictions",
}
