"""Points of the grid of temperatures, and what each asks of a student."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from fedkd.tasks import decomposition
from fedkd.tasks.targets import label_mask, target

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["CE", "TS", "ATS"]


@dataclass(frozen=True)
class Target:
    """Temperatures and the weight of the distillation term; weight 0 is cross-entropy on the labels (CE)."""

    kd_weight: float = 0.0
    tau_true: float = 1.0
    tau_other: float = 1.0

    @property
    def kind(self) -> Kind:
        """CE, TS (equal temperatures) or ATS."""
        if self.kd_weight == 0:
            return "CE"
        return "TS" if self.tau_true == self.tau_other else "ATS"

    @property
    def name(self) -> str:
        """The kind with its temperatures."""
        taus = {"CE": "", "TS": f"({self.tau_true:g})", "ATS": f"({self.tau_true:g}, {self.tau_other:g})"}
        return self.kind + taus[self.kind]

    def answer(self, logits: Tensor, y: Tensor) -> Tensor:
        """The target q of teacher logits [n, C] and labels [n], as the framework's own task makes it."""
        return target(logits, y, self.tau_true, self.tau_other)

    def aim(self, logits: Tensor, y: Tensor) -> Tensor:
        """What the student's softmax shall be: (1 - kd_weight) label + kd_weight q, [n, C]."""
        label = label_mask(y, logits.shape[-1]).to(logits.dtype)
        return label if self.kind == "CE" else torch.lerp(label, self.answer(logits, y), self.kd_weight)


def grid(
    kd_weights: Sequence[float], taus: Sequence[float], tau_true: Sequence[float], tau_other: Sequence[float]
) -> list[Target]:
    """CE, then every TS, then every ATS with the label's temperature above the others', as in the paper."""
    plain = [Target(weight, tau, tau) for weight, tau in itertools.product(kd_weights, taus)]
    pairs = itertools.product(kd_weights, tau_true, tau_other)
    return [Target(), *plain, *(Target(weight, true, other) for weight, true, other in pairs if true > other)]


def describe(point: Target, logits: Tensor, y: Tensor) -> dict[str, float]:
    """Means over the samples of what a target is made of; the target is q, without the labels mixed in."""
    q = point.answer(logits, y)
    return {
        "DA": decomposition.derived_average(q, y).mean().item(),
        "DV": decomposition.derived_variance(q, y).mean().item(),
        "IV": decomposition.inherent_variance(logits, y, point.tau_other).mean().item(),
        "entropy": decomposition.entropy(q).mean().item(),
        "inversion_rate": decomposition.inversion_rate(logits, q, y).item(),
    }


def terms(point: Target, student: Tensor, logits: Tensor, y: Tensor) -> dict[str, float]:
    """Means of the three terms of CE(q, p), and of their sum computed by itself."""
    q = point.answer(logits, y)
    parts = decomposition.decompose(student, q, y)
    whole = torch.nn.functional.cross_entropy(student, q)
    return {name: part.mean().item() for name, part in parts._asdict().items()} | {"cross_entropy": whole.item()}
