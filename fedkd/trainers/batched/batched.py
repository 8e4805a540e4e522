"""The batched trainer: many clients as one computation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch

from fedkd.errors import ConfigurationError
from fedkd.trainers.batched.plan import Member, steps_of
from fedkd.trainers.batched.team import MOST, Convolutions, Team, Terms
from fedkd.trainers.batched.ways import Precision
from fedkd.trainers.passes import Passes
from fedkd.trainers.solvers import Gradient
from fedkd.trainers.trainer import Pupil, Update

if TYPE_CHECKING:
    from fedkd.tasks.learner import Networked
    from fedkd.trainers.solvers import Solver


@dataclass(frozen=True)
class Batched(Passes):
    """Many clients at once, each with parameters of its own: what one GPU needs to be busy with small networks.

    The samples, batches and steps of every client are those of ``Serial``; updates are the same to rounding. Clients
    with fewer batches leave a group early, and batches of unequal size are filled up with samples of no weight.

    Args:
        clients: how many at once; "auto" takes as many as fit into half of the free memory, 1024 at most.
        convolutions: "grouped": one convolution with a group a client; "unfold": batched matrix products of patches,
            which take more memory; "auto" times a step of each.
        graph: record a step as a CUDA graph and replay it, which spares the processor its launches; a CPU has none.
        precision: of the passes forward and backward; with "bfloat16" too parameters and steps are in float32.

    Raises:
        ConfigurationError: a number out of its bounds.
    """

    clients: int | Literal["auto"]
    convolutions: Convolutions
    graph: bool
    precision: Precision

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clients != "auto" and self.clients < 1:
            raise ConfigurationError(f"Batched: clients={self.clients} is below 1; choose clients >= 1 or auto")

    @property
    def together(self) -> int:
        """Clients that a worker is best given at a time, at most."""
        return MOST if self.clients == "auto" else self.clients

    def train(self, learner: Networked, solver: Solver, pupils: Sequence[Pupil]) -> list[Update]:
        """Train in groups of clients with similar numbers of batches; where memory runs out, in smaller groups."""
        updates: dict[int, Update] = {}
        waiting, team = self._members(pupils), self._team(learner, solver)
        with team.aside():
            while waiting:
                group = waiting[: _fair(len(waiting), team.size_for(learner, waiting))]
                trained = _trained(team, learner, group)
                if trained is None:
                    team.halve(len(group))
                    continue
                waiting = waiting[len(group) :]
                updates |= {member.position: update for member, update in zip(group, trained, strict=True)}
        return [updates[position] for position in range(len(pupils))]

    def settled(self, learner: Networked) -> Batched:
        """This trainer with what "auto" has become for a learner that it has trained: the same again, anywhere."""
        team = learner.kept
        if not isinstance(team, Team):
            return self
        convolutions = team.kind if team.kind in ("grouped", "unfold") else self.convolutions
        return replace(self, clients=team.size or self.clients, convolutions=convolutions)

    def method(self, learner: Networked) -> str:
        """How many clients at once, which convolutions, which precision, and whether steps are recorded."""
        solver = learner.kept.solver if isinstance(learner.kept, Team) else Gradient()
        team = self._team(learner, solver)
        size = team.size or self.clients
        return ", ".join([f"batched, {size} clients at once", team.kind, self.precision, team.recording])

    def _members(self, pupils: Sequence[Pupil]) -> list[Member]:
        """Those with the most batches first, and among them those with the most samples."""
        members = []
        for position, pupil in enumerate(pupils):
            orders = self.orders(pupil.samples.size, pupil.key)
            members.append(Member(position, pupil, orders, steps_of(orders, self.batch_size)))
        return sorted(members, key=lambda member: (-member.steps, -member.pupil.samples.size))

    def _team(self, learner: Networked, solver: Solver) -> Team:
        """What this learner's clients are trained with, as long as it is for the same."""
        team = learner.kept
        if not (isinstance(team, Team) and (team.solver, team.terms) == (solver, self._terms)):
            team = learner.kept = Team(learner, solver, self._terms)
        return team

    @property
    def _terms(self) -> Terms:
        return Terms(self.batch_size, self.clients, self.convolutions, self.graph, self.precision)


def _fair(count: int, size: int) -> int:
    """The first of the fewest groups of at most this size, all about as large."""
    return -(-count // -(-count // size))


def _trained(team: Team, learner: Networked, group: Sequence[Member]) -> list[Update] | None:
    """The group's updates; None where memory ran out, with nothing of the attempt left in it."""
    try:
        vectors, reports = team.train(learner, group)
    except torch.OutOfMemoryError:
        return None
    pairs = zip(vectors, reports, strict=True)
    return [Update(vector, report.numbers, report.kept, report.beside) for vector, report in pairs]
