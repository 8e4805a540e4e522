"""Milliseconds and bits of every operator on one core, beside a memory copy of the same rows.

    python benchmarks/compression.py [--dim 1663370] [--repeats 15] [--out FILE.json]

Gaussian float32 rows; encode is rows to bytes (and the rows as the receiver will see them), decode is bytes to rows.
The best of the repeats is printed: on a shared machine it is what the code can do.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from fedkd_compression import (
    QSGD,
    Float16,
    Identity,
    Key,
    Operator,
    RandK,
    SubtractiveDither,
    TopK,
    compress,
    decompress,
)


def best(work: Callable[[], object], repeats: int) -> float:
    """Milliseconds of the fastest run, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1e3 * min(times)


def operators(dim: int) -> list[Operator]:
    """What is measured."""
    return [
        Identity(),
        Float16(),
        SubtractiveDither(step=0.25),
        SubtractiveDither(step=1.0),
        SubtractiveDither(step=2.5),
        QSGD(levels=4, norm="max"),
        QSGD(levels=1, norm="l2"),
        RandK(k=dim // 100),
        TopK(k=None, fraction=0.01),
    ]


def measure(operator: Operator, rows: torch.Tensor, repeats: int) -> dict[str, float | str | None]:
    """One row of the table."""
    dim, key = rows.shape[1], Key.of(0, "benchmark")
    frames, received = compress(operator, rows, key)
    omega = operator.omega(dim) if operator.traits.exact else None
    return {
        "operator": repr(operator),
        "encode_ms": best(lambda: compress(operator, rows, key), repeats),
        "decode_ms": best(lambda: decompress(operator, frames, key, dim), repeats),
        "bits_per_coordinate": 8 * len(frames[0]) / dim,
        "error": float((received - rows).square().sum() / rows.square().sum()),
        "limit": 0.5 * math.log2(1 + 1 / omega) if omega else None,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=1_663_370)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = np.random.default_rng(0).standard_normal((1, options.dim)).astype(np.float32)
    rows, copy = torch.from_numpy(data), torch.empty(1, options.dim)
    memory = best(lambda: copy.copy_(rows), options.repeats)
    print(f"{options.dim} float32, one core; a memory copy takes {memory:.2f} ms")
    print(f"{'operator':<34} {'encode':>9} {'decode':>9} {'bits':>7} {'error':>9} {'unbiased limit':>15}")
    table = [measure(operator, rows, options.repeats) for operator in operators(options.dim)]
    for row in table:
        limit = "" if row["limit"] is None else f"{row['limit']:.3f}"
        print(
            f"{row['operator']:<34} {row['encode_ms']:6.2f} ms {row['decode_ms']:6.2f} ms "
            f"{row['bits_per_coordinate']:7.3f} {row['error']:9.4f} {limit:>15}"
        )
    if options.out:
        options.out.write_text(json.dumps({"dim": options.dim, "copy_ms": memory, "table": table}, indent=1))


if __name__ == "__main__":
    main()
