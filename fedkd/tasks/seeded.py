"""Randomness of code that draws from global generators."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from fedkd_compression import Key


@contextmanager
def seeded(key: Key, device: str | torch.device) -> Iterator[None]:
    """Meanwhile torch's, NumPy's and Python's own generators start from the key; afterwards they are as they were.

    Example:
        >>> with seeded(Key.of(0, "example"), "cpu"):
        ...     net = Net()
    """
    used = torch.device(device)
    kept, kept_numpy = random.getstate(), np.random.get_state()
    seed = key.rows[0]
    with torch.random.fork_rng(devices=[used] if used.type == "cuda" else []):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(kept)
            np.random.set_state(kept_numpy)
