"""ReSSL as a task: what of it is a choice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

from fedkd.probes import Probes
from fedkd.tasks.checks import (
    require_choice,
    require_fraction,
    require_not_negative,
    require_positive,
    require_within,
)
from fedkd.tasks.ressl.views import Views
from fedkd.tasks.schedules import Schedule, require_first, require_scheduled, values_at
from fedkd.tasks.self_supervised import OnCollapse, SelfSupervised

Origin = Literal["local", "from_global", "average"]
Keys = Literal["keep", "reset", "anchors"]
LARGEST = 2**20
"""Keys of a queue, at most."""
SCHEDULED = ("tau_student", "tau_teacher", "momentum", "mixing")


@dataclass(frozen=True)
class ReSSL(SelfSupervised):
    """Relational self-supervised learning on every client (M. Zheng et al., NeurIPS 2021, arXiv 2107.09282).

        teacher <- momentum teacher + (1 - momentum) student        before its forward pass, in every step
        z_t = teacher(weak view),  z_s = student(contrastive view)  at length 1, Q without the samples of the batch
        loss = mean CE(softmax(z_t Q^T / tau_teacher), softmax(z_s Q^T / tau_student)),  then z_t into Q

    Only the student travels, unless the teacher is averaged.

    Args:
        tau_student: tau_s, > 0.
        tau_teacher: tau_t, > 0; the published algorithm needs tau_t < tau_s, which sharpens the target.
        momentum: Of the teacher's moving average, in [0, 1]; 0 makes it the student of the moment.
        queue_size: K, keys that a client keeps, in [2, 2^20].
        teacher: "local": stays with its client; "from_global": begins every round at the received model; "average":
            travels beside the student, through the same links, and the server averages it.
        queue: "keep": stays with its client; "reset": random in every round; "anchors": the teacher's embeddings of the
            first K public samples, of all if there are fewer, made anew in every round.
        mixing: lambda >= 0 of FedEMA (W. Zhuang et al., ICLR 2022, arXiv 2204.04385): a client begins at
            mu local + (1 - mu) received with mu = min(lambda |received - local|, 1), local being where it ended last.
        on_collapse: Where the mean cosine of embeddings exceeds .98: "warn", or "stop" the run.
        views: How samples are varied.
        probes: How the server's encoder is evaluated.
        schedules: Of numbers above, by name: how they come to their values over the first rounds.
    """

    tau_student: float
    tau_teacher: float
    momentum: float
    queue_size: int
    teacher: Origin
    queue: Keys
    mixing: float
    on_collapse: OnCollapse
    views: Views
    probes: Probes
    schedules: dict[str, Schedule]

    def __post_init__(self) -> None:
        require_positive("ReSSL", "tau_student", self.tau_student)
        require_positive("ReSSL", "tau_teacher", self.tau_teacher)
        require_fraction("ReSSL", "momentum", self.momentum)
        require_within("ReSSL", "queue_size", self.queue_size, 2, LARGEST)
        require_choice("ReSSL", "teacher", self.teacher, get_args(Origin))
        require_choice("ReSSL", "queue", self.queue, get_args(Keys))
        require_choice("ReSSL", "on_collapse", self.on_collapse, get_args(OnCollapse))
        require_not_negative("ReSSL", "mixing", self.mixing)
        require_scheduled("ReSSL", self.schedules, SCHEDULED)
        # Bounds are intervals: where the first value and the last keep them, all between do.
        require_first(self)

    @property
    def sharpens(self) -> bool:
        """Whether tau_t < tau_s."""
        return self.tau_teacher < self.tau_student

    @property
    def mixes(self) -> bool:
        """Whether clients mix in any round, and so keep where they ended."""
        return bool(self.mixing) or "mixing" in self.schedules

    def at(self, round_: int) -> Self:
        """The task of a round, without schedules."""
        if not self.schedules:
            return self
        return replace(self, schedules={}, **values_at(self, self.schedules, round_))
