"""Relation exchange as a task: what of it is a choice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from fedkd.errors import ConfigurationError
from fedkd.models import Model
from fedkd.tasks.checks import require_not_negative, require_positive, require_within
from fedkd.tasks.ressl import ReSSL
from fedkd.tasks.self_supervised import METRICS, SelfSupervised

_MOST = 2**15
"""Anchors, at most: their relations are about a thousand million numbers."""


@dataclass(frozen=True)
class RelationExchange(SelfSupervised):
    """Clients of different architectures exchange relations over public anchors; their networks never travel.

        r_ab = softmax over b != a of z_a . z_b / tau_teacher,       z: a client's embeddings of anchors, at length 1
        x = w as it arrives;  the update is x - r,  so that w becomes the mean of the clients' r, as models are averaged
        loss = mean over a of CE(t_a, softmax over b != a of z_a . z_b / tau_student),   t_a: x_a at >= 0, of sum 1

    Every round a client takes ``steps`` steps on that loss and then learns from its own samples as ``local`` says. The
    idea is that of FLESD (H. Shi et al., arXiv 2109.14611), where clients send similarities of public samples and the
    server distils their ensemble into one network. Here there is no network on the server: the ensemble goes back, and
    every client is taught by it. After the idea of that paper; none of its code or numbers is used.

    Args:
        students: The clients' networks, by names of one's own; clients take them in turns, in the order of the names.
        local: What a client learns by itself; its teacher stays with it, as no network is received.
        anchors: A, in [2, 32768]: the first of the public samples, the same for all clients.
        steps: On the anchors, all in one batch, before a round's local steps; 0 leaves clients alone.
        tau_student: Of the relations that are taught, > 0.
        tau_teacher: Of the relations that are sent, > 0.
    """

    students: dict[str, Model]
    local: ReSSL
    anchors: int
    steps: int
    tau_student: float
    tau_teacher: float

    metrics: ClassVar[tuple[str, ...]] = (*METRICS, "anchor_loss", "own_1_shot", "own_knn")
    path: ClassVar[str] = "task.local"
    projector: ClassVar[str] = "task.students.NAME.norm"

    def __post_init__(self) -> None:
        if not self.students:
            raise ConfigurationError("RelationExchange: students={} is empty; give one model or more")
        require_within("RelationExchange", "anchors", self.anchors, 2, _MOST)
        require_not_negative("RelationExchange", "steps", self.steps)
        require_positive("RelationExchange", "tau_student", self.tau_student)
        require_positive("RelationExchange", "tau_teacher", self.tau_teacher)
        self._require_local()
        # What every self-supervised task says of itself is said once, by the local one.
        object.__setattr__(self, "on_collapse", self.local.on_collapse)
        object.__setattr__(self, "probes", self.local.probes)

    def _require_local(self) -> None:
        """Refuse what needs a network that is received."""
        local = self.local
        if local.teacher != "local":
            raise ConfigurationError(
                f"RelationExchange: local.teacher={local.teacher!r}, but no network is received; choose "
                "local.teacher = local"
            )
        if local.mixes:
            raise ConfigurationError(
                f"RelationExchange: local.mixing={local.mixing:g}, but no network is received; choose local.mixing = 0"
            )

    @property
    def models(self) -> tuple[Model, ...]:
        """The clients' networks in order: client i has number i modulo how many there are."""
        return tuple(self.students[name] for name in sorted(self.students))

    @property
    def sharpens(self) -> bool:
        """Whether the local temperatures do."""
        return self.local.sharpens

    @property
    def dim(self) -> int:
        """D = A (A - 1), numbers that travel."""
        return self.anchors * (self.anchors - 1)

    def at(self, round_: int) -> Self:
        """The task of a round, without schedules."""
        return replace(self, local=self.local.at(round_))
