"""Page migration: where a thing lives that is asked for from changing places.

A page lies at one of n points. Before request t at point s_t the page moves from a_{t-1} to a_t, then serves it:
    cost = sum_t D d(a_{t-1}, a_t) + d(a_t, s_t).
A placement is the vector a [T]; an online one knows s_1 .. s_{t-1} when it chooses a_t. OPT is the least cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedkd.errors import ConfigurationError

Floats = NDArray[np.float64]
Points = NDArray[np.int64]


@dataclass(frozen=True)
class Space:
    """A metric, the price of moving in it, and where the page lies at first.

    Args:
        distances: d [n, n]: symmetric, zero on the diagonal, within the triangle inequality.
        move: D >= 1/2: a move costs as much as D requests over the same distance.
        start: a_0 in [0, n).

    Raises:
        ConfigurationError: the distances are no metric, or move or start are out of range.
    """

    distances: Floats
    move: float
    start: int = 0

    def __post_init__(self) -> None:
        d = self.distances
        if d.ndim != 2 or d.shape[0] != d.shape[1] or not len(d):
            raise ConfigurationError(f"Space: distances of shape {d.shape}; give [n, n] with n >= 1")
        if not (np.isfinite(d).all() and (d >= 0).all() and (d == d.T).all() and not d.diagonal().any()):
            raise ConfigurationError("Space: distances are no metric; give finite ones >= 0, symmetric, 0 to itself")
        over = max(float((d - d[:, middle, None] - d[middle]).max()) for middle in range(len(d)))
        if over > 1e-9 * d.max():
            raise ConfigurationError(f"Space: a detour is shorter by {over:g}; give lengths of shortest paths")
        if not 0.5 <= self.move < np.inf:
            raise ConfigurationError(f"Space: move={self.move} is not in [0.5, inf); choose move >= 0.5")
        if not 0 <= self.start < len(d):
            raise ConfigurationError(f"Space: start={self.start} is not in [0, {len(d)}); choose one of the points")

    @property
    def diameter(self) -> float:
        """The largest distance."""
        return float(self.distances.max())

    def moves(self, placement: Points) -> Floats:
        """What each move costs [T]."""
        before = np.concatenate([[self.start], placement[:-1]])
        return np.asarray(self.move * self.distances[before, placement], np.float64)

    def costs(self, placement: Points, requests: Points) -> Floats:
        """What each request costs [T], with the move before it."""
        return np.asarray(self.moves(placement) + self.distances[placement, requests], np.float64)

    def asked(self, requests: ArrayLike) -> Points:
        """Requests [T] as points.

        Raises:
            ConfigurationError: there is none, or one is no point.
        """
        found = np.asarray(requests)
        if found.ndim != 1 or not len(found) or found.dtype.kind not in "iu":
            raise ConfigurationError(f"Space: requests are {found.dtype} {found.shape}; give at least one whole number")
        if found.min() < 0 or found.max() >= len(self.distances):
            raise ConfigurationError(
                f"Space: requests from {found.min()} to {found.max()}; choose in [0, {len(self.distances)})"
            )
        return found.astype(np.int64)

    def predicted(self, distributions: ArrayLike) -> Floats:
        """Distributions [T, n] of requests.

        Raises:
            ConfigurationError: they have another shape or are no distributions.
        """
        p = np.asarray(distributions, np.float64)
        if p.ndim != 2 or not len(p) or p.shape[1] != len(self.distances):
            raise ConfigurationError(f"Space: predictions of shape {p.shape}; give [T, {len(self.distances)}]")
        if not ((p >= 0).all() and np.allclose(p.sum(1), 1, rtol=0, atol=1e-6)):
            raise ConfigurationError("Space: predictions are no distributions; give rows >= 0 of sum 1")
        return p


def cheapest(space: Space, prices: Floats) -> Points:
    """The placement of least sum_t D d(a_{t-1}, a_t) + prices_t[a_t], by dynamic programming in O(T n^2).

    Args:
        space: where.
        prices: of lying at each point during each request [T, n].
    """
    moves = space.move * space.distances
    came = np.empty(prices.shape, np.int64)
    least = moves[space.start] + prices[0]
    for t in range(1, len(prices)):
        through = least[:, None] + moves
        came[t] = through.argmin(0)
        least = through.min(0) + prices[t]
    placement = np.empty(len(prices), np.int64)
    placement[-1] = least.argmin()
    for t in range(len(prices) - 1, 0, -1):
        placement[t - 1] = came[t, placement[t]]
    return placement


def optimum(space: Space, requests: Points) -> Points:
    """OPT's placement: it knows every request."""
    return cheapest(space, space.distances[requests])


def sticky(space: Space, requests: Points) -> Points:
    """Never moves. Without bound: it pays the distance for ever."""
    return np.full(len(requests), space.start)


def greedy(space: Space, requests: Points) -> Points:
    """Always at the last request. Two points that ask in turn cost it D + 1 a request, and whoever stays 1/2."""
    return np.concatenate([[space.start], requests[:-1]])


def coin(space: Space, requests: Points, uniforms: Floats) -> Points:
    """After each request moves there with chance 1/(2 D): Westbrook's coin flipping (1994).

    Expected cost <= 3 OPT when the draws are independent of the requests. Proof, with o OPT's point and the potential
    3 D d(a, o): a request costs 1.5 d(a, s) in expectation, half a d(a, s) of it the move, and changes the potential
    by 1.5 (d(s, o) - d(a, o)); in sum at most 3 d(o, s). A move of OPT's raises the potential by three times its cost.

    Args:
        space: where.
        requests: [T].
        uniforms: draws [T] in [0, 1).
    """
    moved = uniforms[:-1] < 1 / (2 * space.move)
    last = np.maximum.accumulate(np.where(moved, np.arange(len(moved)), -1))
    placed = np.where(last >= 0, requests[last], space.start) if len(moved) else np.empty(0, np.int64)
    return np.concatenate([[space.start], placed])


def coin_expected(space: Space, requests: Points) -> float:
    """Expected cost of ``coin``, exactly: the distribution of its place is followed."""
    chance, place, total = 1 / (2 * space.move), np.zeros(len(space.distances)), 0.0
    place[space.start] = 1
    for t, request in enumerate(requests):
        served = float(place @ space.distances[request])
        # The move after the last request is spared.
        total += served * (1.5 if t < len(requests) - 1 else 1.0)
        place *= 1 - chance
        place[request] += chance
    return total


def plan(space: Space, predicted: Floats) -> Points:
    """The placement that would cost least if requests came from the predictions p [T, n]; chosen before the first.

    With q_t = 1 - p_t[s_t], any split of 1..T into windows W, and
        U = 2 g max over W of (mean of q_t in W),   g = max(1, longest W/D)                 (``surrogate``)
    the cost is at most (1 + U)/(1 - U) OPT where U < 1: OPT itself when all predictions are right. Proof, with o OPT's
    placement and a the plan. Predicted and true prices differ by q_t (g_t(a) - d(a, s_t)), g_t the mean distance to the
    other points under p_t; both are 1-Lipschitz in a, and the plan is best under predicted prices, so
        cost <= OPT + 2 sum q_t d(a_t, o_t).
    In a window d(a_t, o_t) <= d(a_r, o_r) + what both move in it, for every r; averaged over r, d(a_r, o_r) is at most
    (serving of both)/|W|. So sum over W of q_t d(a_t, o_t) <= mean q (serving + |W|/D moving of both) <= g mean q (cost
    of both in W), and cost <= OPT + U (cost + OPT).
    """
    return cheapest(space, predicted @ space.distances)


def windowed(space: Space, requests: Points, window: int, suggest: Callable[[Points], Floats]) -> Points:
    """At the start of each window goes where the move and the predicted requests of the window cost least in sum.

    Nothing need be known beforehand: ``suggest`` predicts the window from the past. With g = window/D > 1,
        cost <= g (g + 2)/(g - 1) OPT + 2 g/(g - 1) diameter sum q_t;   at g = 1 + sqrt(3) the first factor is 7.47.
    Proof. In a window let OPT go from o to o', move M and serve for S; a is the page's point before, b its choice, R(x)
    the price of all requests from x. R(o') <= S + g D M, prices are mistaken by sum q diameter at most, hence
        K = D d(a, b) + R(b) <= D d(a, o) + D M + R(o') + 2 diameter sum q,   window d(b, o') <= R(b) + R(o').
    With c = g/(g - 1) the potential c D d(page, OPT) takes up D d(a, o): K + c D d(b, o') - c D d(a, o) is at most
    c (D M + R(o') + 2 diameter sum q) + R(o')/(g - 1). A last window that is shorter needs no potential after it.

    Args:
        space: where.
        requests: [T].
        window: requests for which the page stays, >= 1.
        suggest: from the requests so far, the mean predicted distribution [n] of the next window.
    """
    placement, point = np.empty(len(requests), np.int64), space.start
    for first in range(0, len(requests), window):
        prices = space.distances @ suggest(requests[:first]) * min(window, len(requests) - first)
        point = int((space.move * space.distances[point] + prices).argmin())
        placement[first : first + window] = point
    return placement


def guarded(space: Space, requests: Points, planned: Points, safe: Points, trust: float) -> Points:
    """Follows the plan until it has cost more than (cost of the safe placement so far + D diameter)/trust, then safe.

    Robust: whatever was predicted,
        cost <= safe/trust + D diameter (2 + 1/trust) + diameter,
    the plan's own part up to the request before the switch, that request, and the way over. With ``coin`` for safe:
    3/trust OPT and the same constants, in expectation.
    Consistent: if U <= (1 - trust)/(1 + trust), U being that of ``plan``, the plan is never left, and its bound holds.
    For a plan that is cut after t requests may still go over to OPT's point, at D diameter; the window that is cut adds
    U D diameter; so it has cost at most (1 + U)/(1 - U) (OPT_t + D diameter).

    Args:
        space: where.
        requests: [T].
        planned: placement [T] of ``plan``.
        safe: placement [T] to fall back on, an online one.
        trust: lambda in (0, 1]; the less, the more predictions count.

    Raises:
        ConfigurationError: trust is out of range.
    """
    if not 0 < trust <= 1:
        raise ConfigurationError(f"guarded: trust={trust} is not in (0, 1]; choose 0 < trust <= 1")
    spent, limit = (np.cumsum(space.costs(each, requests)) for each in (planned, safe))
    over = spent > (limit + space.move * space.diameter) / trust * (1 + 1e-12)
    left = int(over.argmax()) + 1 if over.any() else len(requests)
    return np.concatenate([planned[:left], safe[left:]])


def windows(steps: int, window: int) -> list[slice]:
    """1..T in max(1, T // window) parts of lengths that differ by one at most: from window to 2 window - 1."""
    cuts = np.linspace(0, steps, max(1, steps // window) + 1).astype(int).tolist()
    return [slice(first, last) for first, last in pairwise(cuts)]


def surrogate(space: Space, predicted: Floats, requests: Points, window: int) -> float:
    """U of ``plan``: 2 g times the largest mean of 1 - p_t[s_t] in a window of about ``window`` requests.

    The paper's surrogate is the sum in windows of length gamma D: this times gamma D/(2 g). Convex in the predictions.
    """
    parts = windows(len(requests), window)
    missed = 1 - predicted[np.arange(len(requests)), requests]
    longest = max(part.stop - part.start for part in parts)
    worst = max(float(missed[part].mean()) for part in parts)
    return float(2 * max(1.0, longest / space.move) * worst)
