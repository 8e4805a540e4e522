"""Loss and accuracy of class scores, shared by the tasks that classify."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def accuracy(outputs: Tensor, y: Tensor) -> Tensor:
    """Fraction of samples whose largest of outputs [n, classes] is the label's; a scalar."""
    return (outputs.argmax(-1) == y).to(outputs.dtype).mean()


def evaluate(outputs: Tensor, y: Tensor) -> dict[str, float]:
    """Mean plain cross-entropy in nats, and accuracy, of outputs [n, classes] on labels y [n]."""
    loss = torch.nn.functional.cross_entropy(outputs, y)
    return {"loss": loss.item(), "accuracy": accuracy(outputs, y).item()}
