"""How fast the loops below the operators are, beside a memory copy and beside torch, by number of threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd_compression import kernels
from fedkd_compression.bench.files import leave
from fedkd_compression.bench.machine import Machine
from fedkd_compression.bench.rows import rows_of
from fedkd_compression.bench.stopwatch import in_turn
from fedkd_compression.bench.table import Layout, number, percent, say
from fedkd_compression.codecs import decode_symbols, encode_symbols
from fedkd_compression.keys import Key

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.arrays import Octets, Symbols
    from fedkd_compression.bench.command import Request

    Work = Callable[[], object]

JSON = "kernels.json"
_SHARE, _LEVELS, _WIDTH = 0.01, 7, 4
_LAYOUT = Layout(
    ("kernel", "threads", "GB/s", "of copy", "Msymbol/s", "times torch"),
    (46, 10, 10, 10, 12, 14),
)


@dataclass(frozen=True)
class Kernel:
    """A loop, and what it is held against.

    Args:
        beside: the same in torch, where there is such a thing.
    """

    name: str
    work: Work
    beside: Work | None = None


@dataclass(frozen=True)
class Rate:
    """What was measured of a kernel.

    Args:
        speed: GB of float32 rows a second.
        copy: the same, of a memory copy of the rows, timed in turn.
        symbols: millions of coordinates a second.
        times_torch: how many times faster than torch, timed in turn.
    """

    kernel: str
    threads: int
    speed: float
    copy: float
    symbols: float
    times_torch: float | None


def report(asked: Request) -> int:
    """Measure and print all kernels."""
    most = asked.threads or min(2, os.cpu_count() or 1)
    here = Machine.here(most, asked.kernels)
    row = rows_of("gaussian", asked.dim, None).values
    say(f"{here.line()}; {asked.dim:,} Gaussian float32")
    for line in _LAYOUT.head(_LAYOUT.headings[0]):
        say(line)
    found = []
    for threads in sorted({1, most}):
        torch.set_num_threads(threads)
        for rate in rates(row, threads, 5 if asked.quick else 25):
            found.append(rate)
            say(_line(rate))
    if asked.out is not None:
        leave(asked.out, {JSON: {**here.plain(), "dim": asked.dim, "rates": [asdict(rate) for rate in found]}})
    return 0


def rates(row: Tensor, threads: int, repeats: int) -> Iterator[Rate]:
    """Time every kernel on a row [1, d], each in turn with a copy of the row and with torch."""
    copy = torch.empty_like(row)
    for kernel in (*_quantisers(row), *_coder(row), *_selection(row)):
        beside = [] if kernel.beside is None else [kernel.beside]
        own, copied, *others = in_turn([kernel.work, lambda: copy.copy_(row), *beside], repeats, seconds=2.0)
        yield Rate(
            kernel=kernel.name,
            threads=threads,
            speed=4e-9 * row.numel() / own,
            copy=4e-9 * row.numel() / copied,
            symbols=1e-6 * row.numel() / own,
            times_torch=others[0] / own if others else None,
        )


def _quantisers(row: Tensor) -> Iterator[Kernel]:
    run, keys = kernels.on("cpu"), Key.of(0, "bench", "kernels").array()
    steps, norms = torch.ones(1), row.abs().amax(dim=1)
    symbols, _ = run.dither_encode(row, steps, keys, True)
    yield Kernel(
        "dither, encode with received rows", lambda: run.dither_encode(row, steps, keys, True), lambda: _dithered(row)
    )
    yield Kernel("dither, decode", lambda: run.dither_decode(symbols, steps, keys))
    yield Kernel("QSGD, encode", lambda: run.levels_encode(row, norms, _LEVELS, keys))
    yield Kernel("QSGD, encode and pack in 4 bits", lambda: _packed(run.levels_encode(row, norms, _LEVELS, keys)))


def _coder(row: Tensor) -> Iterator[Kernel]:
    run, key = kernels.on("cpu"), Key.of(0, "bench", "kernels")
    symbols = run.dither_encode(row, torch.ones(1), key.array(), True)[0].numpy()[0]
    contexts = kernels.backend().bins(key.array(), row.numel())[0]
    yield from _both_ways(symbols, None, "one table")
    yield from _both_ways(symbols, contexts, "a table a bin")


def _both_ways(symbols: Symbols, contexts: Octets | None, name: str) -> Iterator[Kernel]:
    known = None if contexts is None else lambda: contexts
    data = np.frombuffer(encode_symbols(symbols, known), np.uint8)
    bits = 8 * len(data) / len(symbols)
    yield Kernel(f"rANS, encode, {name}, {bits:.2f} bits", lambda: encode_symbols(symbols, known))
    yield Kernel(f"rANS, decode, {name}", lambda: decode_symbols(data, len(symbols), known))


def _selection(row: Tensor) -> Iterator[Kernel]:
    run, count = kernels.on("cpu"), max(1, round(_SHARE * row.numel()))
    yield Kernel("top-k, 1 %", lambda: run.largest(row, count), lambda: torch.topk(row.abs(), count, sorted=False))


def _dithered(row: Tensor) -> tuple[Tensor, Tensor]:
    """Subtractive dither as one writes it in torch, with its own random numbers: symbols and received rows."""
    drawn = torch.rand_like(row) - 0.5
    symbols = torch.round(row + drawn)
    return symbols.to(torch.int8), symbols - drawn


def _packed(symbols: Tensor) -> object:
    return kernels.backend().pack((symbols.numpy()[0] + np.int8(_LEVELS)).view(np.uint8), _WIDTH)


def _line(rate: Rate) -> str:
    return _LAYOUT.line(
        (
            rate.kernel,
            str(rate.threads),
            number(rate.speed),
            percent(rate.speed / rate.copy),
            number(rate.symbols, ".0f"),
            number(rate.times_torch),
        )
    )
