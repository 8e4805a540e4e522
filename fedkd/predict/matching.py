"""Minimum-cost bipartite matching by the Hungarian method, started from predicted duals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedkd.errors import ConfigurationError

MOST_COST = 2**52
MOST_DUAL = 2.0**56
"""Costs and predictions within these, so that no sum of them overflows 64 bits."""

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Matching:
    """A matching of least cost, and the duals that prove it: rows_i + columns_j <= cost_ij, equal where matched.

    Args:
        chosen: column of each row [n].
        cost: of the matching: the sum of all duals.
        rows: duals [n].
        columns: duals [m]; the largest is 0, and so are those of all columns that no row was given.
        updates: dual updates that were made.
        rise: what they added to the sum of duals, at least ``updates``.
    """

    chosen: Integers
    cost: int
    rows: Integers
    columns: Integers
    updates: int
    rise: int


def assign(costs: ArrayLike, rows: ArrayLike | None = None, columns: ArrayLike | None = None) -> Matching:
    """Match every row to a column of its own at least cost, from predicted duals: the better, the less is done.

    The predictions are rounded to y0, repaired to feasible duals, and the rows joined along tight pairs (cost = sum of
    duals). While a row is free, alternating trees of tight pairs grow from all free rows at once. Where they are stuck,
    one dual update raises all rows reached by the largest step that stays feasible, and lowers all columns reached.

    Bounds, for every optimal y* (its columns <= 0 where n < m):
        updates <= rise <= |y* - y0|_1,   updates <= m (m + 1)/2,   |y* - y0|_1 <= 2 |y* - x|_1 for predictions x.
    One update counts once, however large its step; ``rise`` counts step x free rows. Proof. An update raises as many
    rows more than it lowers columns as there are free rows, so the sum of duals rises by step x free rows >= 1, and all
    it can rise is sum y* less where it started. The repair takes from y0 at most 2 sum max(y0 - y*, 0): a pair above
    its cost by r is lowered by r on either side; y* is feasible, so y0 exceeds it on this pair by at least r in sum:
    that excess shrinks by r at least, the sum of duals by 2 r. Hence rise <= sum (y* - y0) + 2 sum max(y0 - y*, 0),
    which is |y* - y0|_1. What else is done before the search only raises rows, then columns, to their least slack. The
    second bound: with k rows matched, k + 1 updates at most bring a column each into the trees until one is free. The
    third (y* whole): where x is rounded away from y*, it was at least 1/2 from it, and moves by at most that. A matrix
    with n < m gets m - n rows of cost 0 and of dual 0.

    The bound by |y* - y0|_1 is that of the paper's application to matching (Khodak, Balcan, Talwalkar, Vassilvitskii,
    "Learning Predictions for Algorithms with Predictions", 2022); repair and constants are this project's own.

    Args:
        costs: whole numbers [n, m], 1 <= n <= m, of magnitude at most 2^52/m.
        rows: predicted duals [n], finite; 0 where not given. Beyond +-2^56 they count as that.
        columns: predicted duals [m], likewise.

    Raises:
        ConfigurationError: costs are not such a matrix, or predictions of another length or not finite.

    Example:
        >>> matching = assign([[4, 1, 3], [2, 0, 5], [3, 2, 2]])
        >>> matching.chosen.tolist(), matching.cost
        ([1, 0, 2], 5)
        >>> assign([[4, 1, 3], [2, 0, 5], [3, 2, 2]], matching.rows, matching.columns).updates
        0
    """
    square, n = _squared(costs)
    m = len(square)
    u, v = np.zeros(m, np.int64), _rounded("columns", columns, m)
    u[:n] = _rounded("rows", rows, n)
    _repair(square, u, v)
    start = int(u.sum() + v.sum())
    search = _Search(square, u, v)
    while search.grow():
        pass
    # All rows of cost 0 have the dual -max v: adding max v to every row and taking it from every column clears them.
    most = v.max()
    u, v = u[:n] + most, v - most
    cost = int(u.sum() + v.sum())
    return Matching(search.chosen[:n], cost, u, v, search.updates, cost - start)


def _squared(costs: ArrayLike) -> tuple[Integers, int]:
    """Costs [m, m], the last m - n rows 0; and n."""
    given = np.asarray(costs)
    if given.ndim != 2 or not 1 <= len(given) <= given.shape[1]:
        raise ConfigurationError(f"assign: costs of shape {given.shape}; give [n, m] with 1 <= n <= m")
    if given.dtype.kind not in "iu":
        raise ConfigurationError(f"assign: costs are {given.dtype}; round them to whole numbers")
    n, m = given.shape
    most = max(abs(int(given.max())), abs(int(given.min())))
    if most * m > MOST_COST:
        raise ConfigurationError(f"assign: costs as large as {most} exceed 2^52/{m}; choose a larger unit")
    if n == m:
        return given.astype(np.int64), n
    square = np.zeros((m, m), np.int64)
    square[:n] = given
    return square, n


def _rounded(name: str, predicted: ArrayLike | None, count: int) -> Integers:
    if predicted is None:
        return np.zeros(count, np.int64)
    found = np.asarray(predicted, np.float64)
    if found.shape != (count,):
        raise ConfigurationError(f"assign: {name} of shape {found.shape}; give {count} predicted duals")
    if not np.isfinite(found).all():
        raise ConfigurationError(f"assign: {name} are not finite; give 0 where nothing is known")
    rounded: Integers = np.rint(found.clip(-MOST_DUAL, MOST_DUAL)).astype(np.int64)
    return rounded


def _repair(costs: Integers, u: Integers, v: Integers) -> None:
    """Lower pairs that exceed their cost, on both sides; then raise rows, then columns, as far as is feasible."""
    for row in np.flatnonzero((v - costs).max(1) + u > 0):
        excess = v - costs[row] + u[row]
        column = excess.argmax()
        if (most := excess[column]) > 0:
            u[row] -= most
            v[column] -= most
    u[:] = (costs - v).min(1)
    v[:] = (costs - u[:, None]).min(0)


class _Search:
    """Primal-dual search from feasible duals, which it changes in place.

    Args:
        costs: [m, m].
        u: duals of rows.
        v: duals of columns.
    """

    def __init__(self, costs: Integers, u: Integers, v: Integers) -> None:
        m = len(costs)
        self._costs, self._u, self._v = costs, u, v
        self.chosen = np.full(m, -1)
        self._owner = np.full(m, -1)
        self.updates = 0
        self._join()

    def grow(self) -> bool:
        """Trees from all free rows until some reach free columns; then match those. False where no row is free."""
        grown = self.chosen < 0
        frontier = np.flatnonzero(grown)
        if not len(frontier):
            return False
        m = len(grown)
        slack, parent, outside = np.full(m, np.iinfo(np.int64).max), np.zeros(m, np.int64), np.ones(m, bool)
        while True:
            block = self._costs[frontier] - self._u[frontier, None] - self._v
            nearest = block.argmin(0)
            least = block[nearest, np.arange(m)]
            parent = np.where(least < slack, frontier[nearest], parent)
            slack = np.minimum(slack, least)
            reached = np.flatnonzero(outside & (slack == 0))
            if not len(reached):
                self._update(grown, outside, slack)
                reached = np.flatnonzero(outside & (slack == 0))
            outside[reached] = False
            frontier = self._owner[reached]
            if (frontier < 0).any():
                self._flip(parent, reached[frontier < 0])
                return True
            grown[frontier] = True

    def _join(self) -> None:
        """Match along tight pairs as they come."""
        chosen, owner = self.chosen.tolist(), self._owner.tolist()
        rows, columns = np.nonzero(self._costs - self._u[:, None] == self._v)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if chosen[row] < 0 and owner[column] < 0:
                chosen[row], owner[column] = column, row
        self.chosen[:], self._owner[:] = chosen, owner

    def _update(self, grown: NDArray[np.bool_], outside: NDArray[np.bool_], slack: Integers) -> None:
        """One dual update: the step is the least slack of a column that no tree has."""
        step = slack[outside].min()
        self._u[grown] += step
        self._v[~outside] -= step
        slack[outside] -= step
        self.updates += 1

    def _flip(self, parent: Integers, ends: Integers) -> None:
        """Match along the path to each end, one path a tree: paths in different trees share nothing."""
        paths: dict[int, list[tuple[int, int]]] = {}
        for end in ends.tolist():
            path, column = [], end
            while column >= 0:
                row = int(parent[column])
                path.append((row, column))
                column = int(self.chosen[row])
            paths.setdefault(path[-1][0], path)
        for path in paths.values():
            for row, column in path:
                self.chosen[row], self._owner[column] = column, row
