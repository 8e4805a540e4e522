"""The gate: what an update must be before it is added to anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from fedkd_compression.kernels.portable.exact import BOUND

if TYPE_CHECKING:
    from torch import Tensor


class RefusedError(ValueError):
    """An update does not count; the message says why."""


class Passed(NamedTuple):
    """An update that counts.

    Args:
        factor: by which it is to be scaled, 1 but for what was clipped.
        remark: what is to be said of it, in a few words; mostly nothing.
    """

    factor: float = 1.0
    remark: str = ""


@dataclass(frozen=True)
class Gate:
    """Lets finite updates pass, and none that is longer than a cap.

    Args:
        cap: the largest l2 norm; None for no bound.
        clip: whether a longer update is scaled to the cap, instead of being refused. Only what is averaged is scaled:
            memories move by what was sent, alike on both ends.

    Example:
        >>> Gate(cap=1.0, clip=True).judge(torch.tensor([3.0, 4.0])).factor
        0.2
    """

    cap: float | None = None
    clip: bool = False

    def judge(self, update: Tensor, weight: float = 1.0) -> Passed:
        """Whether an update [d] counts, and how much of it; ``weight`` is that with which it is added.

        Raises:
            RefusedError: it is not finite, too large to be added, or too long.
        """
        low, high = (float(end) for end in torch.aminmax(update)) if len(update) else (0.0, 0.0)
        largest = BOUND / max(abs(weight), 1.0)
        if not (-largest <= low and high <= largest):
            raise RefusedError(_why(update, largest))
        if self.cap is None or (norm := _norm(update)) <= self.cap:
            return Passed()
        if not self.clip:
            raise RefusedError(f"norm {norm:.4g} exceeds the cap of {self.cap:g}")
        return Passed(self.cap / norm, f"norm {norm:.4g} clipped to {self.cap:g}")


OPEN = Gate()
"""Without a cap."""


def _why(update: Tensor, largest: float) -> str:
    """What is wrong with an update that cannot be added."""
    wrong = int((~torch.isfinite(update)).sum())
    if wrong:
        return f"not finite: {wrong} of {len(update)} values"
    return f"a value of {float(update.abs().max()):.4g} exceeds {largest:.4g}; scale down, or the training diverged"


def _norm(vector: Tensor) -> float:
    """The same bits with any number of threads, on any machine."""
    values = vector.detach().cpu().numpy()
    return float(np.sqrt(np.add.reduce(np.square(values, dtype=np.float64))))
