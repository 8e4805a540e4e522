"""Networks for a while in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@contextmanager
def evaluating(network: torch.nn.Module) -> Iterator[None]:
    """In evaluation mode, where running statistics stay as they are; afterwards in the mode of before."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
