"""Training curves of the client's theta beside tuned optimizers: where it was trained, for longer, and elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd.metatraining.families import Networks, family_of
from fedkd.optimizers import Theta, read_theta
from fedkd.optimizers.features import EPSILON
from sims.found import Found
from sims.plots import Curve, Panel, Table, spread
from sims.star.elsewhere import ELSEWHERE
from sims.star.unrolled import LAST, Classical, Learned, Rule, final, task_of, tuned, unrolled

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.metatraining.families import Family

HORIZON = 100
"""Steps of the shortest tasks of its training; the longest had ten times as many."""
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
TUNING = tuple(range(1000, 1003))
"""Seeds on which rates are chosen; others are shown."""
SMOOTH = 20
"""Steps over which a curve is a mean."""
DIVERGED = 1.0
"""A quadratic's loss relative to its start, above which a run counts as diverged."""
STABLE = 2.0
"""Of the nominal term's largest factor times an eigenvalue."""


@dataclass(frozen=True)
class Size:
    """How much is run.

    Args:
        seeds: shown.
        horizon: steps.
        times: by which it is longer, and longer again where theta was trained.
        rates: tried for each optimizer.
        runs: on quadratics.
        far: by which those are longer.
    """

    seeds: tuple[int, ...]
    horizon: int
    times: int
    rates: tuple[float, ...]
    runs: int
    far: int


FULL = Size((0, 1, 2, 3, 4), HORIZON, 10, RATES, 20, 100)
TINY = Size((0, 1), 20, 2, (0.01, 0.05), 2, 10)


def rivals(rates: Sequence[float]) -> dict[str, list[Rule]]:
    """Optimizers that are tuned, each over the same rates."""
    adam, sgd = torch.optim.Adam, torch.optim.SGD
    return {
        "Adam": [Classical(adam, rate) for rate in rates],
        "Adam, cosine to 0": [Classical(adam, rate, falls=True) for rate in rates],
        "SGD, momentum .9": [Classical(sgd, 10 * rate, (("momentum", 0.9),)) for rate in rates],
    }


def curves(size: Size, theta: str) -> Found:
    """All grounds at the horizon and at ten times it, the first at a hundred times; then long runs on quadratics."""
    learned, rows, panels = Learned(read_theta(theta)), list[dict[str, object]](), list[Panel]()
    for place, (name, family) in enumerate(grounds().items()):
        for power in range(2 if place else 3):
            steps = size.horizon * size.times**power
            found = compared(family, learned, steps, size)
            rows += [_row(name, steps, rule, chosen, losses) for rule, (chosen, losses) in found.items()]
            if place == 0 or power == 0:
                panels.append(panel(f"{name}, {steps} steps", {rule: each for rule, (_, each) in found.items()}))
    long = stable(learned.theta, size)
    return Found("curves", [_table(rows, size), _stability(long)], panels, {"rows": rows, "quadratics": long})


def grounds() -> dict[str, Family]:
    """Where it was trained first, then wider, deeper, other networks, other samples."""
    digits = family_of("digits")
    assert isinstance(digits, Networks), "its samples serve others"
    made = {"digits, 64-32-10 (trained on)": digits}
    made |= {name: make(digits.x, digits.y) for name, make in ELSEWHERE.items()}
    return made | {"MNIST at 14 x 14, 196-16-10": family_of("mnist5k"), "signals, 40-32-10": family_of("signals")}


def compared(family: Family, learned: Learned, steps: int, size: Size) -> dict[str, tuple[float | None, Tensor]]:
    """The rate chosen for each and its losses [steps, seeds], STAR's first: it has none."""
    found: dict[str, tuple[float | None, Tensor]] = {"STAR": (None, unrolled(family, learned, size.seeds, steps))}
    for name, rules in rivals(size.rates).items():
        chosen = tuned(family, rules, TUNING, steps)
        assert isinstance(chosen, Classical), "only those have a rate"
        found[name] = chosen.rate, unrolled(family, chosen, size.seeds, steps)
    return found


def stable(theta: Theta, size: Size) -> dict[str, object]:
    """Held-out quadratics in the nominal term's region of stability, far beyond the horizon.

    Its factor of a momentum is at most b1 / sqrt(1e-6), where v is 0; times the largest eigenvalue that is at most 2.
    """
    family = family_of("quadratics")
    steepest = {seed: theta.form.nominal_step / EPSILON**0.5 * _steepest(family, seed) for seed in range(4 * size.runs)}
    inside = [seed for seed, most in steepest.items() if most <= STABLE][: size.runs]
    losses = unrolled(family, Learned(theta), inside, size.far * size.horizon)
    last = final(losses)
    return {
        "steepest": [steepest[seed] for seed in inside],
        "steps": len(losses),
        "diverged": int((~(last < DIVERGED)).sum()),
        "runs": len(inside),
        "start": losses[0].tolist(),
        "final": last.tolist(),
        "worst step": losses[size.horizon :].max(0).values.tolist(),
    }


def _steepest(family: Family, seed: int) -> float:
    """The largest eigenvalue of a task's loss."""
    curved, scale = family.begin(task_of(seed)).fixed
    return float(torch.linalg.eigvalsh(curved / scale)[-1])


def _row(ground: str, steps: int, rule: str, rate: float | None, losses: Tensor) -> dict[str, object]:
    return {"ground": ground, "steps": steps, "rule": rule, "rate": rate, "final": final(losses).tolist()}


def _table(rows: Sequence[dict[str, object]], size: Size) -> Table:
    """A row a ground and length, a column an optimizer."""
    rules = list(dict.fromkeys(str(row["rule"]) for row in rows))
    cells = {(row["ground"], row["steps"], row["rule"]): row for row in rows}
    places = list(dict.fromkeys((row["ground"], row["steps"]) for row in rows))
    lines = [[*map(str, place), *[_cell(cells[*place, rule]) for rule in rules]] for place in places]
    return Table(f"training loss of the last {LAST} steps, {len(size.seeds)} seeds", ["", "steps", *rules], lines)


def _cell(row: dict[str, object]) -> str:
    values = row["final"]
    assert isinstance(values, list), "one a seed"
    rate = "" if row["rate"] is None else f" ({row['rate']:g})"
    return f"{spread(values, '.3g')}{rate}"


def _stability(long: dict[str, object]) -> Table:
    last = long["final"]
    assert isinstance(last, list), "one a run"
    return Table(
        f"noisy quadratics, {long['steps']} steps",
        ["", "runs", "diverged", "final loss, share of the first", "worst of all"],
        [["STAR", str(long["runs"]), str(long["diverged"]), spread(last, ".3g"), f"{max(last):.3g}"]],
    )


def panel(title: str, found: dict[str, Tensor]) -> Panel:
    """Losses, each the mean of some steps; a curve an optimizer."""
    drawn = []
    for look, (name, losses) in enumerate(found.items()):
        smooth = losses.unfold(0, SMOOTH, SMOOTH // 2).mean(-1).clamp(max=10.0).T.double().numpy()
        x = SMOOTH / 2 + SMOOTH // 2 * np.arange(smooth.shape[1])
        drawn.append(Curve(name, [x] * len(smooth), list(smooth), look))
    return Panel(title, "steps", "training loss", drawn, log_y=True)
