"""Which normalisation follows a layer: the choice that convolutional models share."""

from __future__ import annotations

from typing import Literal

import torch

Norm = Literal["group", "batch", "local_batch", "none"]
"""``group``: GroupNorm; ``batch``: BatchNorm, whose running statistics travel with the model; ``local_batch``:
BatchNorm without running statistics, by those of the batch in evaluation too; ``none``: nothing."""

NORMS: tuple[Norm, ...] = ("group", "batch", "local_batch", "none")
_NUMBERS: dict[Norm, int] = {"group": 2, "batch": 4, "local_batch": 2, "none": 0}


def norm_dim(norm: Norm, channels: int) -> int:
    """Numbers that travel: weight and bias, and with ``batch`` a mean and a variance a channel."""
    return _NUMBERS[norm] * channels


def norm_layers(norm: Norm, channels: int, groups: int) -> tuple[torch.nn.Module, ...]:
    """The layer, or none.

    Args:
        norm: which.
        channels: of what is normalised.
        groups: of a GroupNorm; the others have none.
    """
    if norm == "none":
        return ()
    if norm == "group":
        return (torch.nn.GroupNorm(groups, channels),)
    # A class of torch's modules exists only once torch is loaded.
    from fedkd.models.batch_norm import BatchNorm

    return (BatchNorm(channels, tracks=norm == "batch"),)
