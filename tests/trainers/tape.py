"""What a CUDA graph is, on a CPU: the operations of a program, replayed on the memory of its tensors without Python."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITING = ("aten.lift_fresh", "aten._local_scalar_dense", "aten.nonzero", "aten.equal")
"""What a device would have to be waited for: a number in Python or from it, a shape that depends on values."""


class Tape(TorchDispatchMode):
    """Writes down every operation; what was there before is afterwards as it was, as while a graph is recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Callable, tuple, dict, list[Tensor]]] = []
        self._made: set[int] = set()
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if str(func).rpartition(".")[0] in WAITING:
            raise RuntimeError(f"{func}: operation not permitted when stream is capturing")
        inputs = tensors((args, kwargs))
        if func._schema.is_mutable:
            self._save(inputs)
        result = func(*args, **kwargs)
        known = {place(value) for value in inputs}
        fresh = [value for value in tensors(result) if place(value) not in known]
        self._made |= {place(value) for value in fresh}
        # Aliases keep the shape that a tensor has now: ``squeeze_`` may change it.
        self.operations.append((func, args, kwargs, [value.detach() for value in fresh]))
        return result

    def _save(self, inputs: list[Tensor]) -> None:
        for value in inputs:
            if place(value) not in self._made:
                whole = value.new_empty(0).set_(value.untyped_storage())
                self._before.setdefault(place(value), (whole, whole.clone()))

    def restore(self) -> None:
        for whole, before in self._before.values():
            whole.copy_(before)

    def replay(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, fresh in self.operations:
                results = tensors(func(*args, **kwargs))
                if fresh:
                    for old, new in zip(fresh, results, strict=True):
                        old.copy_(new)


def tape(program: Callable[[], None]) -> Callable[[], None]:
    """Record a program as ``Record`` wants it."""
    recording = Tape()
    with recording:
        program()
    recording.restore()
    return recording.replay


def tensors(values: object) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def place(value: Tensor) -> int:
    return value.untyped_storage().data_ptr()
