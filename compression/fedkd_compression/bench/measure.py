"""One operator on some rows: bits of whole messages, distortion, speed beside a memory copy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch

from fedkd_compression.bench.catalogue import Family
from fedkd_compression.bench.limits import limit
from fedkd_compression.bench.rows import Rows
from fedkd_compression.bench.stopwatch import in_turn
from fedkd_compression.bench.written import written
from fedkd_compression.compressor import compress, decompress
from fedkd_compression.keys import Key

if TYPE_CHECKING:
    from fedkd_compression.operators import Operator

GAUSSIAN = "gaussian"


@dataclass(frozen=True)
class Patience:
    """How long speed is measured.

    Args:
        repeats: turns at most.
        seconds: after which no further turn is begun.
    """

    repeats: int
    seconds: float


@dataclass(frozen=True)
class Measurement:
    """What one operator costs and loses.

    Args:
        rows: name of the rows.
        dim: of a row.
        unbiased: the distortion is omega, else nmse.
        bits: a coordinate, of whole messages.
        distortion: mean over the rows of |C(x) - x|^2/|x|^2.
        limit: Shannon's bits at this distortion, for Gaussian rows.
        encode: GB of float32 rows a second, from rows to bytes (and the rows that the receiver gets).
        decode: the same, from bytes to rows.
        copy: the same, of a memory copy of the rows, timed in turn with both.
    """

    rows: str
    dim: int
    family: str
    operator: str
    unbiased: bool
    bits: float
    distortion: float
    limit: float | None
    encode: float
    decode: float
    copy: float

    @property
    def gap(self) -> float | None:
        """Bits above Shannon's limit."""
        return None if self.limit is None else self.bits - self.limit

    def plain(self) -> dict[str, object]:
        """Plain values with the units in their names, to six digits."""
        values = {**asdict(self), "gap": self.gap}
        for name in ("encode", "decode", "copy"):
            values[f"{name}_gb_per_second"] = values.pop(name)
        values["encode_share_of_copy"] = self.encode / self.copy
        values["decode_share_of_copy"] = self.decode / self.copy
        return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in values.items()}


def measure(family: Family, operator: Operator, rows: Rows, patience: Patience) -> Measurement:
    """Compress the rows, decompress them, and time both.

    Raises:
        OperatorError: the operator cannot serve these rows.
    """
    values, dim = rows.values, rows.dim
    key, copy = Key.of(0, "bench", "operator").spread(len(values)), torch.empty_like(values)
    frames, received = compress(operator, values, key)
    lost = (received - values).double().square().sum(1) / values.double().square().sum(1)
    distortion = float(lost.mean())
    works = (
        lambda: copy.copy_(values),
        lambda: compress(operator, values, key),
        lambda: decompress(operator, frames, key, dim),
    )
    speeds = [4e-9 * values.numel() / time for time in in_turn(works, patience.repeats, patience.seconds)]
    known = rows.name == GAUSSIAN and distortion > 0
    return Measurement(
        rows=rows.name,
        dim=dim,
        family=family.name,
        operator=written(operator),
        unbiased=family.unbiased,
        bits=8 * sum(map(len, frames)) / values.numel(),
        distortion=distortion,
        limit=limit(distortion, family.unbiased) if known else None,
        encode=speeds[1],
        decode=speeds[2],
        copy=speeds[0],
    )
