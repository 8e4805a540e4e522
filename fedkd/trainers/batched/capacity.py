"""How many clients fit at once into what memory is free."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor

SHARE = 0.5
"""Of the free memory: the rest is for others, and for what a trial of few clients does not show."""
VECTORS = 8
"""Vectors of a client: received, trained, its update, gradients, a solver's moments, and room for two more."""


def capacity(device: torch.device, most: int, vector: int, use: Callable[[int], object]) -> int:
    """The number of clients, 1 to ``most``, that are trained at once.

    On a GPU the peak with one client and with two tells what each takes. A CPU keeps no such account: vectors are
    counted, and what autograd keeps of a step twice, for its gradients; processes that share the machine's cores share
    its memory.

    Args:
        device: that of the learner.
        most: at least 1.
        vector: bytes of a model.
        use: trains so many clients for one step, by autograd, with all that this needs.
    """
    try:
        free, fixed, each = _on_gpu(device, use) if device.type == "cuda" else _on_cpu(vector, use)
    except torch.OutOfMemoryError:
        return 1
    return min(most, max(int(SHARE * free - fixed) // max(each, 1), 1))


def halved(count: int) -> int:
    """Half of a number of clients that did not fit.

    Raises:
        ConfigurationError: it was one.
    """
    if count == 1:
        raise ConfigurationError("Batched: memory is too small for one client; choose a smaller trainer.batch_size")
    return count // 2


def _on_cpu(vector: int, use: Callable[[int], object]) -> tuple[int, int, int]:
    """Free bytes for one process; nothing; what a client takes."""
    processes = max((os.cpu_count() or 1) // torch.get_num_threads(), 1)
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // processes
    return free, 0, VECTORS * vector + 2 * _kept(lambda: use(1))


def _kept(run: Callable[[], object]) -> int:
    """Bytes that autograd keeps from forward to backward."""
    total = 0

    def keep(value: Tensor) -> Tensor:
        nonlocal total
        total += value.numel() * value.element_size()
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        run()
    return total


def _on_gpu(device: torch.device, use: Callable[[int], object]) -> tuple[int, int, int]:
    """Free bytes; what a step takes whatever the number of clients; what it takes for each."""
    peaks = []
    for clients in (1, 2):
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        use(clients)
        peaks.append(torch.cuda.max_memory_allocated(device) - before)
    # Memory comes in blocks: of two small clients the second may seem to take nothing.
    each = max(peaks[1] - peaks[0], peaks[1] // 4)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused, peaks[1] - 2 * each, each
