"""DeadZone: the default contractive operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd_compression import kernels
from fedkd_compression.code import Code
from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_side, expect_symbols, expect_values
from fedkd_compression.operators.norms import l2_norms

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key

_FINEST, _COARSEST = 2.0**-12, 2.0**6
_LARGEST_SYMBOL = 2.0**22
_NARROW = 126
_TWO_CELLS = 1024
_BELOW_ONE = 1 - 2.0**-20


@dataclass(frozen=True)
class DeadZone(Operator):
    """A uniform grid with a dead zone around zero, restored to the means of its cells.

    D = step RMS(x), but never so large that the largest coordinate falls into the dead zone; q = sign(x)
    floor(|x|/D + 1 - threshold), so |x| < threshold D gives 0; C(x) = sign(q) (|q| + offset) D, where the offset is the
    mean of |x|/D - |q| over the cell |q| = 1, and another one over all further cells (a single one below dim 1024).
    Entropy-coded, it is .02 bit (coarse) to .26 bit (fine) from the rate-distortion limit of Gaussian rows.
    Source: Sullivan (1996) for the dead zone; uniform thresholds with centroids are as in image coding.

    Args:
        step: spacing of the grid in units of the row's RMS, in [2^-12, 64].
        threshold: half width of the dead zone in units of the spacing, in [0.5, 1].

    Example:
        >>> DeadZone(step=1.0).delta(dim=1000)     # at least .6975 of the energy of any row is kept
        0.6975
    """

    step: float
    threshold: float = 0.55
    traits = Traits(narrow=True, anywhere=True)

    def __post_init__(self) -> None:
        if not _FINEST <= self.step <= _COARSEST:
            raise OperatorError(f"DeadZone: step={self.step} is outside [2^-12, 64]; choose step near 1")
        if not 0.5 <= self.threshold <= 1:
            raise OperatorError(f"DeadZone: threshold={self.threshold} is outside [0.5, 1]; choose threshold = 0.55")

    def encode(self, rows: Tensor, key: Key) -> Code:
        """Symbols [n, d], one grid spacing a row as side information, the cells' offsets in half precision."""
        run, dim = kernels.on(rows.device), rows.shape[1]
        peaks = run.peaks(rows)
        steps = self._spacings(rows, peaks)
        narrow = bool((peaks < steps.double() * _NARROW).all())
        symbols, offsets = run.dead_zone_encode(rows, steps, self.threshold, _cells(dim), narrow)
        return Code(symbols, values=offsets.half(), side=steps[:, None])

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The means of the cells."""
        steps, symbols = expect_side(code, 1)[:, 0].contiguous(), expect_symbols(code, dim)
        offsets = expect_values(code, _cells(dim)).to(steps.dtype)
        return kernels.on(symbols.device).dead_zone_decode(symbols, steps, offsets)

    def delta(self, dim: int) -> float:
        """The best of three bounds, t = threshold.

        A coordinate in the dead zone is lost: at most t^2 D^2. Any other is off by at most D/2, and, since the cells'
        means lose no more than any fixed points of the cells, by at most |x|/(1 + 2 t). So 1 - delta is at most
        t^2 step^2; and (t step)^2 + (1 - (t step)^2)/(1 + 2 t)^2 where t step < 1; and, for the largest coordinate
        alone, 1 - (1 - 1/(1 + 2 t)^2)/dim.
        """
        lost, rough = (self.threshold * self.step) ** 2, 1 - 1 / (1 + 2 * self.threshold) ** 2
        return max(rough / max(dim, 1), 1 - lost, (1 - lost) * rough)

    def check(self, dim: int) -> None:
        """A row with one coordinate has a symbol of sqrt(dim)/step, which must be exact."""
        if dim**0.5 / self.step > _LARGEST_SYMBOL:
            least = dim**0.5 / _LARGEST_SYMBOL
            raise OperatorError(f"DeadZone: step={self.step:g} is too fine for dim={dim}; choose step >= {least:.3g}")

    def _spacings(self, rows: Tensor, peaks: Tensor) -> Tensor:
        """D in the rows' dtype [n], 0 for zero rows."""
        wanted = l2_norms(rows) * (self.step / max(rows.shape[1], 1) ** 0.5)
        spacing = torch.minimum(wanted, peaks * (_BELOW_ONE / self.threshold))
        return torch.where(spacing > 0, spacing.clamp(min=torch.finfo(rows.dtype).tiny), spacing).to(rows.dtype)


def _cells(dim: int) -> int:
    """How many cells have an offset of their own."""
    return 2 if dim >= _TWO_CELLS else 1
