"""What a step of the learned optimizer costs on a CPU: beside Adam, and beside its formulas as tensor operations.

    python benchmarks/star.py [--repeats 30] [--threads 1] [--json FILE]

Float32 parameters with gradients. ``STAR``, ``torch.optim.Adam`` (default options) and ``star_update`` take turns, step
by step; of each the fastest counts, so that others on the machine disturb least. Ratios are to Adam.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from fedkd.keys import key
from fedkd.optimizers import STAR, STAR_FORM, Theta, before, drawn, star_update

WARM_UP = 2
"""Steps that do not count."""
Shapes = Sequence[tuple[int, ...]]
CASES: dict[str, Shapes] = {
    "matrix 100 x 100": [(100, 100)],
    "matrix 316 x 316": [(316, 316)],
    "matrix 1000 x 1000": [(1000, 1000)],
    "15 matrices 256 x 256": [(256, 256)] * 15,
    "7 convolutions 128 x 128 x 3 x 3": [(128, 128, 3, 3)] * 7,
    "7 convolutions, channels last": [(128, 128, 3, 3)] * 7,
    "vector 1,000,000": [(1_000_000,)],
    "matrix 100,000 x 10": [(100_000, 10)],
    "MLP 784-64-64-10": [(64, 784), (64,), (64, 64), (64,), (10, 64), (10,)],
    "FedAvg CNN": [(32, 1, 5, 5), (32,), (64, 32, 5, 5), (64,), (512, 3136), (512,), (10, 512), (10,)],
}


@dataclass(frozen=True)
class Row:
    """A model's parameters, and the fastest steps in seconds."""

    case: str
    size: int
    adam: float
    star: float
    formulas: float


def parameters(shapes: Shapes, channels_last: bool) -> list[Tensor]:
    """Normal numbers, and others as gradients."""
    random, found = torch.Generator().manual_seed(0), []
    for shape in shapes:
        value, gradient = (torch.randn(shape, generator=random) for _ in range(2))
        if channels_last:
            value, gradient = (part.contiguous(memory_format=torch.channels_last) for part in (value, gradient))
        found.append(value.requires_grad_())
        found[-1].grad = gradient
    return found


def formulas(params: Sequence[Tensor], theta: Theta) -> Callable[[], None]:
    """A step of tensor operations."""
    values, grads = [one.detach() for one in params], [one.grad for one in params if one.grad is not None]
    state, steps = [before(value) for value in values], iter(range(10**9))

    def step() -> None:
        nonlocal values, state
        values, state = star_update(theta, state, values, grads, next(steps))

    return step


def fastest(steps: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """The best of so many steps of each, which take turns."""
    found = [math.inf] * len(steps)
    for turn in range(WARM_UP + repeats):
        for index, step in enumerate(steps):
            began = time.perf_counter()
            step()
            spent = time.perf_counter() - began
            found[index] = min(found[index], spent) if turn >= WARM_UP else math.inf
    return found


def measure(case: str, repeats: int) -> Row:
    """One row."""
    theta = drawn(STAR_FORM, key(0, "optimizer"))
    one, other, third = (parameters(CASES[case], "channels last" in case) for _ in range(3))
    steps = [torch.optim.Adam(one).step, STAR(other, theta).step, formulas(third, theta)]
    return Row(case, sum(part.numel() for part in one), *fastest(steps, repeats))


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30, help="steps of each optimizer")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None, help="a file for the numbers")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    rows = []
    print(f"{'parameters':<34}{'size':>10}{'Adam, ms':>10}{'STAR, ms':>10}{'STAR':>8}{'formulas':>10}")
    for case in CASES:
        row = measure(case, asked.repeats)
        times, ratios = (1000 * row.adam, 1000 * row.star), (row.star / row.adam, row.formulas / row.adam)
        print(f"{case:<34}{row.size:>10,}{times[0]:>10.3f}{times[1]:>10.3f}{ratios[0]:>8.2f}{ratios[1]:>10.1f}")
        rows.append(asdict(row))
    if asked.json:
        told = {"threads": asked.threads, "repeats": asked.repeats, "processor": platform.processor()}
        asked.json.write_text(json.dumps({"asked": told, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
