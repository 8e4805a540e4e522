"""Curves against temperature: validation accuracy of the students, and DA, IV, DV of the targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sims.distillation.picks import WEIGHT
from sims.distillation.study import Outcome
from sims.distillation.targets import Target, describe
from sims.plots import Curve, Panel

QUANTITIES = ("DA", "IV", "DV")
FINE = tuple(float(tau) for tau in np.geomspace(1, 18, 17))
"""Temperatures of the diagnostics: no student is trained for them."""


def panels(outcomes: Sequence[Outcome], others: Sequence[float]) -> Iterator[Panel]:
    """A row of four panels a teacher; ``others`` are the tau_other of the asymmetric curves."""
    for outcome in outcomes:
        name = f"{outcome.ground.name}, {outcome.teacher} teacher"
        learned = [_learned(outcome, other, look) for look, other in _kinds(others)]
        yield Panel(name, "tau_true", "validation accuracy, %", [one for one in learned if one.x], log_x=True)
        described = [_described(outcome, other, look) for look, other in _kinds(others)]
        for quantity, curves in zip(QUANTITIES, zip(*described, strict=True), strict=True):
            yield Panel(name, "tau_true", quantity, curves, log_x=True, log_y=quantity == "DA")


def numbers(panel: Panel) -> dict[str, object]:
    """What a panel shows, for the JSON file: a curve's y is one list a seed."""
    curves = [
        {"label": one.label, "x": one.x[0].tolist(), "y": [values.tolist() for values in one.y]} for one in panel.curves
    ]
    return {"title": panel.title, "y": panel.y, "curves": curves}


def _kinds(others: Sequence[float]) -> list[tuple[int, float | None]]:
    """TS, then ATS once a tau_other, each with its colour."""
    return list(enumerate((None, *others)))


def _label(other: float | None) -> str:
    return "TS(tau)" if other is None else f"ATS(tau, {other:g})"


def _learned(outcome: Outcome, other: float | None, look: int) -> Curve:
    """Accuracy at the paper's weight of the students that were trained."""
    chosen = [
        (target.tau_true, place)
        for place, target in enumerate(outcome.targets)
        if target.kd_weight == WEIGHT and (target.kind == "TS" if other is None else target.tau_other == other)
    ]
    chosen.sort()
    x = np.array([tau for tau, _ in chosen])
    y = [np.array([100 * school.validation[place] for _, place in chosen]) for school in outcome.schools]
    return Curve(_label(other), [x] * len(y) if len(x) else [], y, look, dashed=other is not None)


def _described(outcome: Outcome, other: float | None, look: int) -> list[Curve]:
    """One curve a quantity."""
    taus = [tau for tau in FINE if other is None or tau >= other]
    targets = [Target(WEIGHT, tau, tau if other is None else other) for tau in taus]
    found = [[describe(one, school.logits, school.samples.y) for one in targets] for school in outcome.schools]
    x = [np.array(taus)] * len(found)
    return [
        Curve(_label(other), x, [np.array([one[quantity] for one in seed]) for seed in found], look, other is not None)
        for quantity in QUANTITIES
    ]
