"""The teacher's network: a copy of the student's, into which one client's teacher after another is loaded."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from fedkd import vectors
from fedkd.tasks.ressl.relations import normalised

if TYPE_CHECKING:
    from torch import Tensor, nn

NAMES = "teacher:"
"""Begins the names of a teacher's tensors that travel with the student."""


class Teacher:
    """Answers by the statistics of what it is asked; nothing learns here.

    Args:
        module: the student's; copied.
        channels_last: as the student's convolutions lie.

    Attributes:
        flat: its parameters [p].
    """

    def __init__(self, module: nn.Module, channels_last: bool) -> None:
        self._module = copy.deepcopy(module).requires_grad_(False)
        self.flat = vectors.bind(self._module, channels_last)

    def answer(self, x: Tensor) -> Tensor:
        """Its outputs [n, o] to samples [n, *shape]."""
        with torch.no_grad():
            outputs: Tensor = self._module(self.flat.laid(x))
        return outputs

    def keys(self, parameters: Tensor, samples: Tensor) -> Tensor:
        """Embeddings of samples by the teacher of these parameters [p], as one batch [n, o]; this one stays."""
        mine = self.flat.read()
        self.flat.load(parameters)
        keys = normalised(self.answer(samples))
        self.flat.load(mine)
        return keys


def carry_teacher(module: nn.Module) -> None:
    """Let a teacher travel with a student: its parameters, at first the student's own, as further buffers."""
    for name, parameter in list(module.named_parameters()):
        module.register_buffer(NAMES + name.replace(".", ":"), parameter.detach().clone())


def drop_teacher(module: nn.Module) -> None:
    """Undo ``carry_teacher``."""
    for name in [name for name, _ in module.named_buffers() if name.startswith(NAMES)]:
        delattr(module, name)
