"""Self-supervised tasks: what clients learn without labels, and the alarm when they learn nothing."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from fedkd.probes import Probes

OnCollapse = Literal["warn", "stop"]

COLLAPSED = 0.98
"""Mean cosine of different samples' embeddings above which they are called the same."""
METRICS = ("train_loss", "cosine", "entropy", "queue_age")


class CollapseError(RuntimeError):
    """Embeddings of different samples have become the same, and the run was told to stop then."""


class SelfSupervised(ABC):
    """A task without labels: a frozen value without state.

    Attributes:
        on_collapse: what becomes of a run whose embeddings have become one point.
        probes: how the server's model is evaluated.
    """

    metrics: ClassVar[tuple[str, ...]] = METRICS
    path: ClassVar[str] = "task"
    """The key of the task that clients train by themselves."""
    projector: ClassVar[str] = "model.norm"
    """The key of the projector's normalisation."""
    separable: ClassVar[bool] = True
    """Whether the loss is a mean of one term a sample."""

    on_collapse: OnCollapse
    probes: Probes

    @property
    @abstractmethod
    def sharpens(self) -> bool:
        """Whether the teacher's temperature is below the student's."""

    @abstractmethod
    def at(self, round_: int) -> Self:
        """The task of a round, counted from 0, without schedules."""

    def alarm(self, diagnostics: Mapping[str, float]) -> str:
        """What is wrong with a round, in one line; nothing where nothing is.

        Args:
            diagnostics: the clients' numbers by name, averaged.
        """
        cosine = diagnostics.get("cosine", 0.0)
        if math.isnan(cosine):
            return "divergence: embeddings are not finite; choose a smaller solver.learning_rate"
        if cosine <= COLLAPSED:
            return ""
        sharper = "" if self.sharpens else f", and {self.path}.tau_teacher < {self.path}.tau_student"
        return (
            f"collapse: embeddings of different samples have a mean cosine of {cosine:.4f}, above {COLLAPSED}; "
            f"choose {self.projector}=batch{sharper}"
        )
