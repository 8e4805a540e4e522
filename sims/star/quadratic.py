"""Stability on noisy quadratics: its bounds, what a nominal term and weight decay do for it, and untrained updates.

A step is (alpha I + P) grad, as in ``sims.star.systems``: alpha stands for the nominal term; weight decay on what is
learned makes P smaller. Units are such that lambda_max(H) = 1. Untrained updates are of ``sims.star.untrained``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sims.found import Found
from sims.plots import Curve, Panel, Table
from sims.star import untrained
from sims.star.systems import Systems, skewed, turned

DIM, LEAST, NOISE, STEPS = 4, 0.1, 0.1, 200
"""Of a system; eigenvalues of H are log-uniform from ``LEAST`` to 1; the deviation of xi_t."""
ALPHAS = (0.0, 0.25, 0.5, 1.0)
SIZES = np.geomspace(0.03, 3, 13)
"""Deviations of the eigenvalues of P, which are normal."""
BEYOND = np.arange(-0.45, 3, 0.1)
"""How far an outer eigenvalue of P lies beyond its bound."""
SETTINGS = {
    "P alone": (0.0, 0.3),
    "P shrunk": (0.0, 0.1),
    "nominal term": (0.5, 0.3),
    "nominal term, P shrunk": (0.5, 0.1),
}
"""Alpha, and the deviation of the eigenvalues of P."""
CUT = 10.0
"""Times its first loss, at which a system's loss is cut before means are taken."""
Matrices = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def quadratics(quick: bool) -> Found:
    """All panels and tables.

    Args:
        quick: few systems, seeds and steps.
    """
    count, seeds, steps = (100, 4, 60) if quick else (2000, 20, 1000)
    settings = {name: ablated(systems(*both, count)) for name, both in SETTINGS.items()}
    shares = {f"α = {alpha:g}": [share(systems(alpha, size, count)) for size in SIZES] for alpha in ALPHAS}
    near, last = near_bounds(count), untrained.ends(seeds, steps)
    panels = [_one_eigenvalue(), _near(near), _shares(shares), _courses(settings), *_untrained_panels(last)]
    tables = [_ablation(settings, count), *_untrained_tables(last, steps)]
    numbers = {"settings": settings, "shares": shares, "near bounds": near}
    numbers |= {"untrained": {name: each.tolist() for name, each in last.items()}}
    return Found("quadratics", tables, panels, numbers)


def systems(alpha: float, size: float, count: int, matrices: Matrices = turned) -> Systems:
    """The same H and, but for its size, the same P at all alpha and sizes."""
    draws = np.random.default_rng(0)
    values = LEAST ** draws.random((count, DIM))
    values[:, 0] = 1
    hessian = turned(values, draws)
    return Systems(hessian, matrices(size * draws.standard_normal((count, DIM)), draws), np.full(count, alpha))


def share(given: Systems) -> float:
    """Of stable systems."""
    return float((given.radius <= 1).mean())


def ablated(given: Systems) -> dict[str, object]:
    """How many are stable, exact expected losses over the first from a common start, where the stable ones settle."""
    start = np.random.default_rng(1).standard_normal(given.hessian.shape[:2])
    expected = given.expected(start, NOISE, STEPS)
    kept = given.radius < 1
    calm = Systems(given.hessian[kept], given.learned[kept], given.nominal[kept])
    relative = expected / expected[0]
    return {
        "stable": share(given),
        "median": np.median(relative, 1).tolist(),
        "cut mean": np.minimum(relative, CUT).mean(1).tolist(),
        "settled": float(np.median(calm.settled(NOISE) / expected[0, kept])),
    }


def near_bounds(count: int, alpha: float = 0.5) -> dict[str, list[float]]:
    """Shares of stable systems while one outer eigenvalue of P moves over its bound; the others are within both."""
    hessian, found = systems(alpha, 0, count).hessian, {}
    for name, matrices in (("P symmetric", turned), ("any P", skewed)):
        for end, sign in (("smallest", -1), ("largest", 1)):
            found[f"{end}, {name}"] = moved = []
            for beyond in BEYOND:
                draws = np.random.default_rng(2)
                own = draws.uniform(-alpha, 2 - alpha, (count, DIM))
                own[:, 0] = 1 - alpha + sign * (1 + beyond)
                moved.append(share(Systems(hessian, matrices(own, draws), np.full(count, alpha))))
    return found


def _one_eigenvalue() -> Panel:
    """P = p I: the spectral radius, and the two bounds as a frame that is open above."""
    p, curves = np.linspace(-1.5, 2.5, 201), []
    for look, alpha in enumerate((0.0, 0.5, 1.0)):
        radius = np.maximum(np.abs(1 - (alpha + p)), np.abs(1 - LEAST * (alpha + p)))
        edges, heights = np.array([-alpha, -alpha, 2 - alpha, 2 - alpha]), np.array([2.0, 1, 1, 2])
        curves.append(Curve(f"radius, α = {alpha:g}", [p], [radius], look))
        curves.append(Curve(f"bounds, α = {alpha:g}", [edges], [heights], look, dashed=True))
    return Panel("P = p I", "p", "spectral radius", curves)


def _near(near: Mapping[str, Sequence[float]]) -> Panel:
    """Symmetric P in full lines."""
    curves = [
        Curve(name, [BEYOND], [100 * np.array(each)], look % 2 + 3, dashed=look > 1)
        for look, (name, each) in enumerate(near.items())
    ]
    return Panel("an eigenvalue of P beyond its bound, α = 0.5", "by how much", "stable, %", curves)


def _shares(shares: Mapping[str, Sequence[float]]) -> Panel:
    curves = [Curve(name, [SIZES], [100 * np.array(each)], look) for look, (name, each) in enumerate(shares.items())]
    return Panel("random symmetric P", "deviation of its eigenvalues", "stable, %", curves, log_x=True)


def _courses(settings: Mapping[str, Mapping[str, object]]) -> Panel:
    steps = np.arange(STEPS + 1)
    curves = [
        Curve(name, [steps], [np.array(each["median"])], look) for look, (name, each) in enumerate(settings.items())
    ]
    return Panel("expected loss, median system", "steps", "loss/first loss", curves, log_y=True)


def _ablation(settings: Mapping[str, Mapping[str, object]], count: int) -> Table:
    rows = []
    for (name, each), (alpha, size) in zip(settings.items(), SETTINGS.values(), strict=True):
        other = share(systems(alpha, size, count, skewed))
        cells = [f"{alpha:g}", f"{size:g}", f"{100 * each['stable']:.1f}", f"{100 * other:.1f}"]
        rows.append(
            [name, *cells, *(f"{each[kind][-1]:.2g}" for kind in ("median", "cut mean")), f"{each['settled']:.2g}"]
        )
    losses = (f"after {STEPS} steps: median", f"mean, cut at {CUT:g}", "stable ones settle at, median")
    headings = ["loss/first loss", "α", "size of P", "stable, %", "P not symmetric, %", *losses]
    return Table(f"{count:,} noisy quadratics", headings, rows)


def _untrained_panels(last: Mapping[str, np.ndarray]) -> list[Panel]:
    x, diverged, loss = np.array(untrained.SCALES[1:]), [], []
    for look, (name, each) in enumerate(last.items()):
        diverged.append(Curve(name, [x], [100 * (each > CUT).mean(0)[1:]], look))
        loss.append(Curve(f"{name}, loss", [x], [np.median(each, 0)[1:]], look))
    return [
        Panel(f"untrained: last loss above {CUT:g} first losses", "scale of θ", "of runs, %", diverged, log_x=True),
        Panel("untrained: median run", "scale of θ", "last loss/first loss", loss, log_x=True, log_y=True),
    ]


def _untrained_tables(last: Mapping[str, np.ndarray], steps: int) -> list[Table]:
    scales = [f"θ × {scale:g}" for scale in untrained.SCALES]
    diverged = [[name, *(f"{100 * part:.0f}" for part in (each > CUT).mean(0))] for name, each in last.items()]
    loss = [[name, *(f"{part:.2g}" for part in np.median(each, 0))] for name, each in last.items()]
    return [
        Table(f"Untrained: end above {CUT:g} times the first loss after {steps:,} steps, %", ["", *scales], diverged),
        Table("Untrained: last loss/first, median", ["", *scales], loss),
    ]
