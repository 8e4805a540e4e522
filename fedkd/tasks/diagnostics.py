"""What every distilling client reports: how it learns, and what its teacher's answers are like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd.errors import ConfigurationError
from fedkd.tasks import decomposition
from fedkd.tasks.classification import accuracy

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.base import Batch

METRICS = ("train_loss", "train_accuracy", "DA", "DV", "IV", "entropy", "agreement", "inversion_rate")


def diagnose(loss: Tensor, outputs: Tensor, batch: Batch, q: Tensor, inherent: Tensor) -> tuple[float, ...]:
    """The numbers named in ``METRICS``: loss and accuracy, then means over the samples.

    Args:
        loss: a scalar.
        outputs: the student's logits [b, C].
        batch: labels [b] and the teacher's logits [b, C].
        q: what they are held against, probabilities [b, C].
        inherent: IV of every sample [b].
    """
    y, logits = batch.y, given(batch)
    measured = (
        loss,
        accuracy(outputs, y),
        decomposition.derived_average(q, y).mean(),
        decomposition.derived_variance(q, y).mean(),
        inherent.mean(),
        decomposition.entropy(q).mean(),
        decomposition.agreement(outputs, logits),
        decomposition.inversion_rate(logits, q, y),
    )
    # One stack, so that an accelerator is waited for once.
    return tuple(torch.stack(measured).tolist())


def given(batch: Batch) -> Tensor:
    """The teacher's logits of a batch.

    Raises:
        ConfigurationError: it has none.
    """
    if batch.teacher is None:
        raise ConfigurationError(
            "Distillation: teacher=None gives no logits; choose teacher=pretrained, local or global_model"
        )
    return batch.teacher
