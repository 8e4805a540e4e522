"""A group of particles: pairs of unrolls of one family's tasks, each at a place of its own, advanced together.

A group is computed with the same shapes wherever it is computed, so that its losses do not depend on how groups are
divided among ranks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from fedkd.optimizers import Form, Moments, Theta, before, star_update_

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.metatraining.families import Family, Start
    from fedkd_compression import Key


@dataclass(frozen=True)
class Lengths:
    """How long tasks last.

    Args:
        truncation: steps between two estimates of the gradient.
        shortest: steps of a task, which are log-uniform from here to ``longest``; rounded up to whole truncations.
        longest: the most.
    """

    truncation: int
    shortest: int
    longest: int

    def truncations(self, share: float) -> int:
        """Of a task, for a uniform number."""
        steps = self.shortest * math.exp(share * math.log(self.longest / self.shortest))
        return math.ceil(steps / self.truncation)


class Losses(NamedTuple):
    """What a truncation cost.

    Args:
        begins: whose task began with it, bool [n].
        above: mean logarithm of the loss with theta + eps, float64 [n].
        below: with theta - eps.
    """

    begins: Tensor
    above: Tensor
    below: Tensor


class Unrolls:
    """n particles of a family: models 0 to n - 1 are moved by theta + eps, n to 2 n - 1 by theta - eps.

    Args:
        family: of the tasks.
        form: of theta.
        lengths: of tasks.
        stream: the group's randomness.
        count: n.
    """

    def __init__(self, family: Family, form: Form, lengths: Lengths, stream: Key, count: int) -> None:
        self.family, self.form, self.lengths, self.stream, self.count = family, form, lengths, stream, count
        self._tasks = torch.zeros(count, dtype=torch.int64)
        self._done = torch.zeros(count, dtype=torch.int64)
        self._left = torch.zeros(count, dtype=torch.int64)
        starts = [family.begin(self._task(place)) for place in range(count)]
        self._params = _pairs([start.params for start in starts])
        self._fixed = _pairs([start.fixed for start in starts])
        self._moments = [before(part, 2 * count) for part in self._params]

    def advance(self, thetas: Tensor, truncation: int) -> Losses:
        """One truncation of all.

        Args:
            thetas: theta + eps of each particle, then theta - eps [2 n, size].
            truncation: how many there were before; names the randomness.
        """
        begins = self._left == 0
        for place in begins.nonzero().flatten().tolist():
            self._begin(place)
        losses = self._steps(Theta(self.form, thetas), self.stream.fold("steps", truncation))
        finite = losses.isfinite()
        ceiling = self.family.ceiling
        clipped = torch.where(finite, losses, ceiling).clamp(max=ceiling)
        mean = (clipped + self.family.floor).log().mean(0)
        whole = finite.all(0)
        broken = ~(whole[: self.count] & whole[self.count :])
        self._done += self.lengths.truncation
        self._left = torch.where(broken, 0, self._left - 1)
        return Losses(begins, mean[: self.count], mean[self.count :])

    def state(self) -> dict[str, Tensor]:
        """All that ``restore`` needs to go on to the same bits."""
        kept = {"tasks": self._tasks, "done": self._done, "left": self._left}
        for name, parts in self._lists().items():
            kept |= {f"{name}.{index}": part.contiguous() for index, part in enumerate(parts)}
        return kept

    def restore(self, kept: Mapping[str, Tensor]) -> None:
        """Take up what ``state`` gave."""
        for own, name in ((self._tasks, "tasks"), (self._done, "done"), (self._left, "left")):
            own.copy_(kept[name])
        for name, parts in self._lists().items():
            for index, part in enumerate(parts):
                part.copy_(kept[f"{name}.{index}"])

    def _lists(self) -> dict[str, Sequence[Tensor]]:
        moments = [part for each in self._moments for part in each]
        return {"params": self._params, "fixed": self._fixed, "moments": moments}

    def _steps(self, theta: Theta, stream: Key) -> Tensor:
        """The losses [truncation, 2 n], float64."""
        steps, losses = self.lengths.truncation, []
        draws = self.family.draws(stream.spread(self.count), steps)
        draws = torch.cat((draws, draws))
        done = self._done.repeat(2).to(theta.vector.dtype)
        for step in range(steps):
            loss, slopes = self.family.slopes(self._params, self._fixed, draws[:, step])
            losses.append(loss.double())
            star_update_(theta, self._moments, self._params, slopes, done + step, 2 * self.count)
        return torch.stack(losses)

    def _task(self, place: int) -> Key:
        return self.stream.fold("task", place, int(self._tasks[place]))

    def _begin(self, place: int) -> None:
        """A new task in a particle's place; the very first ends early, so that particles are at different places."""
        stream = self._task(place)
        share, early = stream.fold("length").uniforms(2)[0].tolist()
        length = self.lengths.truncations(share)
        self._left[place] = length if self._tasks[place] else math.ceil(length * (1 - early))
        self._put(place, self.family.begin(stream))
        self._tasks[place] += 1
        self._done[place] = 0

    def _put(self, place: int, start: Start) -> None:
        for row in (place, place + self.count):
            for own, given in ((self._params, start.params), (self._fixed, start.fixed)):
                for tensor, value in zip(own, given, strict=True):
                    tensor[row] = value
            for moments in self._moments:
                _clear(moments, row)


def _clear(moments: Moments, row: int) -> None:
    for part in moments:
        part[row] = 0


def _pairs(tasks: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Every task's tensors stacked, twice [2 n, *s]."""
    return [torch.stack(parts).repeat(2, *[1] * parts[0].ndim) for parts in zip(*tasks, strict=True)]
