"""Distillation targets (temperature scaling TS, asymmetric temperature scaling ATS) and the loss on them.

Source: X.-C. Li et al., "Asymmetric Temperature Scaling Makes Larger Networks Teach Well Again", NeurIPS 2022
(arXiv 2210.04427). Pure functions; shapes: logits and targets [b, C], labels [b].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from torch import Tensor

Center = Literal["none", "mean", "wrong_mean"]


def label_mask(y: Tensor, classes: int) -> Tensor:
    """Where the label is: bool [b, classes], one True a row."""
    return y.unsqueeze(-1) == torch.arange(classes, device=y.device)


def smoothed_labels(y: Tensor, classes: int, smoothing: float, dtype: torch.dtype) -> Tensor:
    """(1 - s) label + s / classes, [b, classes]: labels of which a part s is spread over all classes."""
    return label_mask(y, classes).to(dtype) * (1 - smoothing) + smoothing / classes


def taus(y: Tensor, classes: int, tau_true: float, tau_other: float, dtype: torch.dtype | None = None) -> Tensor:
    """Temperature of every logit: tau_true at the label, tau_other elsewhere.

    Args:
        y: Labels in [0, classes), shape [b].
        classes: Number of classes.
        tau_true: Temperature of the label's logit, > 0 (the paper's tau_1).
        tau_other: Temperature of the other logits, > 0 (the paper's tau_2).
        dtype: Of the result; None is torch's default.

    Returns:
        Temperatures [b, classes].
    """
    others = torch.full((*y.shape, classes), tau_other, dtype=dtype, device=y.device)
    return others.masked_fill(label_mask(y, classes), tau_true)


def target(
    logits: Tensor,
    y: Tensor,
    tau_true: float,
    tau_other: float,
    center: Center = "none",
    clamp: bool = False,
) -> Tensor:
    """What the student should answer: q = softmax(f / taus), one softmax over mixed temperatures.

    Plain temperature scaling is tau_true == tau_other, bit for bit. Two hazards, each with an option: with
    two temperatures the zero point of the logits matters (TS does not move under f + c, ATS does), and a
    label that the teacher predicts can lose to another class.

    Args:
        logits: Teacher logits f [b, C], C >= 2.
        y: Ground-truth labels [b] (not the teacher's argmax).
        tau_true: Temperature of the label's logit, > 0.
        tau_other: Temperature of the other logits, > 0.
        center: What is subtracted from a row of logits first: nothing (the paper), the mean of the row, or
            the mean of its wrong classes.
        clamp: Stop tau_true, sample by sample, at tau_other f_y / max_wrong, where a label that the teacher
            predicts would lose to another class: both then have the same probability. Samples that the
            teacher gets wrong keep tau_true.

    Returns:
        Probabilities q [b, C] in the dtype of the logits.

    Example:
        >>> target(torch.tensor([[6.0, 2.0, 0.0]]), torch.tensor([0]), tau_true=3.0, tau_other=2.0)
        tensor([[0.6652, 0.2447, 0.0900]])
    """
    label = label_mask(y, logits.shape[-1])
    centered = _centered(logits, label, center)
    scaled = centered / taus(y, logits.shape[-1], tau_true, tau_other, logits.dtype)
    if clamp:
        scaled = _without_inversion(scaled, centered, label)
    return torch.softmax(scaled, dim=-1)


def distillation_loss(student_logits: Tensor, q: Tensor, tau_student: float) -> Tensor:
    """Cross-entropy of the softened student against the target, scaled so that gradients keep their size.

    kd = tau_student^2 mean_i( -sum_c q_c log softmax(z / tau_student)_c ); the factor is the STUDENT's
    temperature squared. Its gradient with respect to z is tau_student (p - q) / b.

    Args:
        student_logits: z [b, C].
        q: Target probabilities [b, C].
        tau_student: Temperature of the student, > 0.

    Returns:
        A scalar.
    """
    return tau_student**2 * torch.nn.functional.cross_entropy(student_logits / tau_student, q)


def _centered(logits: Tensor, label: Tensor, center: Center) -> Tensor:
    if center == "none":
        return logits
    if center == "mean":
        return logits - logits.mean(-1, keepdim=True)
    return logits - logits.masked_fill(label, 0).sum(-1, keepdim=True) / (logits.shape[-1] - 1)


def _without_inversion(scaled: Tensor, logits: Tensor, label: Tensor) -> Tensor:
    """Lift a predicted label's scaled logit to the best wrong one, as the clamped tau_true does."""
    best_wrong = logits.masked_fill(label, -torch.inf).amax(-1, keepdim=True)
    floor = scaled.masked_fill(label, -torch.inf).amax(-1, keepdim=True)
    # A tie reached by lifting is exact; f_y / (tau_other f_y / max_wrong) would miss it by a rounding.
    return torch.where(label & (logits >= best_wrong), torch.maximum(scaled, floor), scaled)
