"""Training many tasks of a family at once, with a learned optimizer or with one of torch's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.keys import key
from fedkd.optimizers import Theta, before, star_update_
from fedkd_compression import Key

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.metatraining.families import Family

LAST = 20
"""Steps over which a final loss is a mean."""
_HELD_OUT = 1_000_000
"""Seeds from here on are used by no meta-training."""
Step = Callable[[list["Tensor"], int], None]
"""Moves parameters in place by their gradients, at a step from 0."""


@dataclass(frozen=True)
class Learned:
    """The learned optimizer."""

    theta: Theta

    def start(self, params: list[Tensor], steps: int) -> Step:
        """All models by the same theta."""
        state = [before(part, len(part)) for part in params]

        def step(grads: list[Tensor], number: int) -> None:
            star_update_(self.theta, state, params, grads, number, len(params[0]))

        return step


@dataclass(frozen=True)
class Classical:
    """An optimizer of torch's that treats every number apart, so that many models are as good as one.

    Args:
        kind: its class.
        rate: learning rate.
        options: others.
        falls: whether the rate falls to 0 as a cosine, over the steps of the run.
    """

    kind: type[torch.optim.Optimizer]
    rate: float
    options: tuple[tuple[str, float], ...] = ()
    falls: bool = False

    def start(self, params: list[Tensor], steps: int) -> Step:
        """One optimizer for all."""
        optimizer = self.kind(params, lr=self.rate, **dict(self.options))  # type: ignore[call-arg]

        def step(grads: list[Tensor], number: int) -> None:
            if self.falls:
                optimizer.param_groups[0]["lr"] = self.rate * 0.5 * (1 + math.cos(math.pi * number / steps))
            for part, grad in zip(params, grads, strict=True):
                part.grad = grad
            optimizer.step()

        return step


Rule = Learned | Classical


def unrolled(family: Family, rule: Rule, seeds: Sequence[int], steps: int, chunk: int = 100) -> Tensor:
    """The losses [steps, seeds] of held-out tasks of a family: a task a seed, with the same batches for all rules.

    Args:
        family: of the tasks.
        rule: what moves the parameters.
        seeds: from 0.
        steps: how many.
        chunk: steps whose randomness is drawn at once.
    """
    streams = [task_of(seed) for seed in seeds]
    starts = [family.begin(stream) for stream in streams]
    params, fixed = (
        [torch.stack(parts) for parts in zip(*lists, strict=True)]
        for lists in ([start.params for start in starts], [start.fixed for start in starts])
    )
    step, losses = rule.start(params, steps), list[torch.Tensor]()
    for number in range(steps):
        if number % chunk == 0:
            draws = family.draws(Key.stack(streams).fold("batches", number), chunk)
        loss, grads = family.slopes(params, fixed, draws[:, number % chunk])
        losses.append(loss)
        step(grads, number)
    return torch.stack(losses)


def task_of(seed: int) -> Key:
    """The randomness of a held-out task."""
    return key(_HELD_OUT + seed, "optimizer")


def tuned(family: Family, rules: Sequence[Rule], seeds: Sequence[int], steps: int) -> Rule:
    """That with the least mean loss of the last steps, over the seeds."""
    return min(rules, key=lambda rule: final(unrolled(family, rule, seeds, steps)).mean().nan_to_num(torch.inf).item())


def final(losses: Tensor) -> Tensor:
    """The mean of the last steps [seeds]."""
    return losses[-LAST:].mean(0)
