"""Bits at equal distortion against what they should be: the check of the package's defaults."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd_compression.bench.files import leave
from fedkd_compression.bench.independent import independent_bits
from fedkd_compression.bench.limits import limit
from fedkd_compression.bench.machine import Machine
from fedkd_compression.bench.table import Layout, number, say
from fedkd_compression.bench.written import written
from fedkd_compression.compressor import compress
from fedkd_compression.keys import Key
from fedkd_compression.operators import DeadZone, Operator, SubtractiveDither

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.bench.command import Request

JSON = "targets.json"
_MISSED = 1
_HALVINGS = 24
_KEY = Key.of(0, "bench", "targets")
_LAYOUT = Layout(
    ("rows", "operator", "omega|nmse", "measured", "bits", "target", "", "Shannon", "constriction"),
    (14, 32, 14, 10, 9, 8, 8, 9, 14),
    left=3,
)


@dataclass(frozen=True)
class Target:
    """Bits a coordinate, at most, at a distortion.

    Args:
        freedom: degrees of freedom of Student-t rows; None for Gaussian ones.
        unbiased: the distortion is omega, of ``SubtractiveDither``; else nmse, of ``DeadZone``.
    """

    unbiased: bool
    distortion: float
    bits: float
    freedom: int | None = None

    @property
    def rows(self) -> str:
        """Name of the rows."""
        return "Gaussian" if self.freedom is None else f"Student-t({self.freedom})"


TARGETS = (
    Target(True, 0.52, 1.05),
    Target(True, 0.333, 1.27),
    Target(True, 1 / 12, 2.13),
    Target(True, 0.0208, 3.08),
    Target(False, 0.5, 0.72),
    Target(False, 0.363, 0.99),
    Target(False, 0.1175, 1.82),
    Target(True, 1 / 12, 1.92, freedom=3),
)


@dataclass(frozen=True)
class Outcome:
    """What became of a target.

    Args:
        measured: distortion.
        bits: a coordinate, of the whole message.
        limit: Shannon's, for Gaussian rows.
        independent: bits a coordinate of the symbols alone through an independent coder.
    """

    target: Target
    operator: str
    measured: float
    bits: float
    limit: float | None
    independent: float | None

    @property
    def met(self) -> bool:
        """Whether the message is as short as it should be."""
        return self.bits <= self.target.bits


def report(asked: Request) -> int:
    """Measure and print all targets; 1 when one is missed, else 0."""
    here = Machine.here(asked.threads or 1, asked.kernels)
    say(f"{here.line()}; rows of {asked.dim:,} coordinates, whole messages")
    for line in _LAYOUT.head(_LAYOUT.headings[0]):
        say(line)
    found = []
    for outcome in outcomes(asked.dim):
        found.append(outcome)
        say(_line(outcome))
    if asked.out is not None:
        plain = [{**asdict(each), "met": each.met} for each in found]
        leave(asked.out, {JSON: {**here.plain(), "dim": asked.dim, "targets": plain}})
    return 0 if all(each.met for each in found) else _MISSED


def outcomes(dim: int) -> Iterator[Outcome]:
    """Measure every target on a row of this dimension."""
    for target in TARGETS:
        row = rows(target.freedom, dim)
        yield outcome(target, at(target, row), row)


def rows(freedom: int | None, dim: int) -> Tensor:
    """One row [1, dim]."""
    generator = Key.of(0, "bench", "targets", freedom or 0).generator()
    drawn = generator.standard_normal(dim) if freedom is None else generator.standard_t(freedom, dim)
    return torch.from_numpy(drawn.astype(np.float32))[None]


def at(target: Target, row: Tensor) -> Operator:
    """The operator that errs as much as the target says: step = sqrt(12 omega), or the step found by bisection."""
    if target.unbiased:
        return SubtractiveDither(step=math.sqrt(12 * target.distortion))
    low, high = 2.0**-12, 64.0
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        lost = _lost(row, DeadZone(step=middle).transmit(row, _KEY)[1])
        low, high = (middle, high) if lost < target.distortion else (low, middle)
    return DeadZone(step=low)


def outcome(target: Target, operator: Operator, row: Tensor) -> Outcome:
    """Compress the row and look at the message."""
    dim = row.shape[1]
    frames, received = compress(operator, row, _KEY)
    symbols, contexts = operator.encode(row, _KEY).symbols, operator.contexts(_KEY, dim)
    assert symbols is not None
    alone = independent_bits(symbols.numpy()[0], None if contexts is None else contexts.numpy()[0])
    measured = _lost(row, received)
    return Outcome(
        target=target,
        operator=written(operator),
        measured=measured,
        bits=8 * len(frames[0]) / dim,
        limit=limit(measured, target.unbiased) if target.freedom is None else None,
        independent=None if alone is None else alone / dim,
    )


def _lost(row: Tensor, received: Tensor) -> float:
    return float((received - row).double().square().sum() / row.double().square().sum())


def _line(found: Outcome) -> str:
    return _LAYOUT.line(
        (
            found.target.rows,
            found.operator,
            f"{'omega' if found.target.unbiased else 'nmse'} {found.target.distortion:.4g}",
            number(found.measured, ".4f"),
            number(found.bits, ".4f"),
            number(found.target.bits, ".2f"),
            "met" if found.met else "missed",
            number(found.limit, ".3f"),
            number(found.independent, ".4f"),
        )
    )
