"""Other forms of the learned optimizer, each with a meta-training as short: what the parts of STAR are good for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fedkd.metatraining import kept
from fedkd.metatraining.exchange import Alone
from fedkd.metatraining.families import family_of
from fedkd.metatraining.terms import Terms
from fedkd.optimizers import Theta, read_theta
from sims.found import Found
from sims.metatrain import train
from sims.plots import Table, spread
from sims.star.curves import panel
from sims.star.unrolled import LAST, Learned, final, unrolled

if TYPE_CHECKING:
    from fedkd.metatraining.families import Family
    from fedkd.records import Console

FORMS: dict[str, dict[str, object]] = {
    "STAR: AdamAggMo, preconditioned": {},
    "nominal Adam": {"nominal": "Adam"},
    "nominal AggMo": {"nominal": "AggMo", "nominal_step": 0.2},
    "nominal SGDM": {"nominal": "SGDM", "nominal_step": 0.2},
    "nominal SGD": {"nominal": "SGD", "nominal_step": 0.2},
    "not preconditioned": {"preconditioned": 0, "free_step": 1e-3},
    "no nominal term": {"nominal_step": 0.0, "free_step": 1e-4},
    "black box": {"nominal_step": 0.0, "preconditioned": 0, "free_step": 1e-3},
    "STAR, theta's weight decay 1": {"decay": 1.0},
    "black box, theta's weight decay 1": {"nominal_step": 0.0, "preconditioned": 0, "free_step": 1e-3, "decay": 1.0},
}
GROUNDS = ("digits", "signals")


@dataclass(frozen=True)
class Size:
    """How much is run.

    Args:
        forms: how many of them.
        terms: of every meta-training.
        seeds: of tasks.
        horizon: steps of a task.
        times: by which the longer ones are longer.
        far: by which those on quadratics are.
    """

    forms: int
    terms: Terms
    seeds: tuple[int, ...]
    horizon: int
    times: int
    far: int


FULL = Size(len(FORMS), Terms(families=("digits",), steps=300), (0, 1, 2, 3, 4), 100, 10, 100)
FEW = Terms(families=("quadratics",), steps=2, particles=2, truncation=5, shortest=5, longest=10)
TINY = Size(2, FEW, (0,), 20, 2, 2)


def forms(size: Size, folder: Path, console: Console) -> Found:
    """A row a form."""
    rows = {name: _learned(name, size, folder, console) for name in list(FORMS)[: size.forms]}
    families = {name: family_of(name) for name in (*GROUNDS, "quadratics")}
    numbers = {name: _measured(theta, size, families) for name, theta in rows.items()}
    family, steps = families[GROUNDS[0]], size.times * size.horizon
    losses = {name: unrolled(family, Learned(theta), size.seeds, steps) for name, theta in rows.items()}
    return Found("forms", [_table(numbers, size)], [panel(f"forms on {GROUNDS[0]}, {steps} steps", losses)], numbers)


def _learned(name: str, size: Size, folder: Path, console: Console) -> Theta:
    """From its folder, or trained now; an interrupted one goes on."""
    word = "".join(letter if letter.isalnum() else "_" for letter in name)
    terms = replace(size.terms, output=str(folder / word), **FORMS[name])  # type: ignore[arg-type]
    console.announce(f"form: {name}")
    train(terms, Alone(), console)
    return read_theta(str(Path(terms.output) / kept.THETA))


def _measured(theta: Theta, size: Size, families: Mapping[str, Family]) -> dict[str, list[float]]:
    """Final losses, one a seed; those that are not finite are infinite."""
    learned, found = Learned(theta), {}
    for ground in GROUNDS:
        for steps in (size.horizon, size.times * size.horizon):
            found[f"{ground}, {steps}"] = _last(final(unrolled(families[ground], learned, size.seeds, steps)))
    steps = size.far * size.horizon
    found[f"quadratics, {steps}"] = _last(final(unrolled(families["quadratics"], learned, size.seeds, steps)))
    return found


def _last(losses: torch.Tensor) -> list[float]:
    return losses.double().nan_to_num(float("inf"), float("inf")).tolist()


def _table(numbers: dict[str, dict[str, list[float]]], size: Size) -> Table:
    headings = list(next(iter(numbers.values())))
    rows = [[name, *[_cell(found[heading]) for heading in headings]] for name, found in numbers.items()]
    title = f"loss of the last {LAST} steps after {size.terms.steps} steps of meta-training, {len(size.seeds)} seeds"
    return Table(title, ["", *headings], rows)


def _cell(values: Sequence[float]) -> str:
    diverged = sum(value == float("inf") for value in values)
    return f"{diverged} of {len(values)} diverged" if diverged else spread(values, ".2g")
