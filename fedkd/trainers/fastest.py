"""The trainer that is fastest here: found by trial before the first round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fedkd.tasks.learner import Networked
from fedkd.trainers.batched import Batched
from fedkd.trainers.passes import Passes
from fedkd.trainers.serial import Serial

if TYPE_CHECKING:
    from fedkd.tasks.learner import Learner

TOGETHER = (4, 16, 64)
"""Clients at once that are tried, beside as many as memory allows."""


@dataclass(frozen=True)
class Fastest(Passes):
    """Serial or batched, and how many clients at once: whichever trains clients fastest in two timed rounds.

    Every candidate goes through the same samples in the same order, and all give the same updates to rounding; what a
    seed means does not depend on the choice.
    """

    def candidates(self, learner: Learner, clients: int) -> list[Serial | Batched]:
        """What is worth a trial for so many clients a worker; what would compute the same is there once."""
        passes = (self.epochs, self.batch_size, self.batches)
        fused, autograd = Serial(*passes, "auto"), Serial(*passes, "off")
        serial = [fused, autograd] if fused.method(learner) != autograd.method(learner) else [autograd]
        sizes: list[int | Literal["auto"]] = [number for number in TOGETHER if number < clients]
        sizes.append("auto")
        batched = [Batched(*passes, size, "auto", graph=True, precision="float32") for size in sizes]
        return [*serial, *(batched if clients > 1 and isinstance(learner, Networked) else [])]
