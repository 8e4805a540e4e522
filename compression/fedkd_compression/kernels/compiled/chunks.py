"""Rows in chunks of 16384 coordinates, which threads share, and chunks in tiles, which stay in the first cache."""

from __future__ import annotations

from collections.abc import Callable

from fedkd_compression.kernels.compiled.compiler import compiled, parallel

CHUNK = 16384
TILE = 1024


def over_chunks(kernel: Callable[..., object], count: int, dim: int, *arguments: object) -> None:
    """Call ``kernel(first, last, chunks, *arguments)``; the items are the chunks of all rows [count, dim], in order."""
    chunks = -(-dim // CHUNK)
    parallel(kernel, count * chunks, count * dim, chunks, *arguments)


@compiled
def chunk_of(item: int, chunks: int, dim: int) -> tuple[int, int, int]:
    """Row, start and stop of an item."""
    row = item // chunks
    start = (item - row * chunks) * CHUNK
    return row, start, min(dim, start + CHUNK)
