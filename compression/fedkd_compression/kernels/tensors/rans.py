"""rANS in tensor operations, all lanes of all chunks at once; see the portable module for the method.

A single lane has nothing to do at once: it is left to the compiled kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from fedkd_compression.kernels import compiled
from fedkd_compression.kernels.portable.counts import CELLS
from fedkd_compression.kernels.portable.rans import LEAST
from fedkd_compression.kernels.tensors.arrays import contexts_of, there

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from fedkd_compression.arrays import Counts, Halves, Keys, Octets, Words

_LOW = 0xFFFFFFFF
_HALF = 0xFFFF


class _Layout(NamedTuple):
    """How symbols are spread over chunks, steps and lanes; one chunk has no more steps than symbols need."""

    length: int
    lanes: int
    chunk: int

    def spread(self, values: Tensor) -> Tensor:
        """Values [m] as [n, steps, lanes], zeros after the last."""
        chunk = min(self.chunk, -(-self.length // self.lanes) * self.lanes)
        short = -self.length % chunk
        return torch.nn.functional.pad(values, (0, short)).reshape(-1, chunk // self.lanes, self.lanes)

    def present(self, device: torch.device) -> Tensor:
        """Where there is a value."""
        return self.spread(torch.ones(self.length, dtype=torch.bool, device=device))


def rans_encode(
    symbols: NDArray[np.int8], contexts: Octets, entries: Keys, lanes: int, chunk: int
) -> tuple[Words, Counts, Halves]:
    """States, numbers of words and words of the chunks of symbols."""
    if lanes == 1:
        return compiled.rans_encode(symbols, contexts, entries, lanes, chunk)
    layout, table = _Layout(len(symbols), lanes, chunk), _unpacked(entries)
    cells = there(symbols).to(torch.int64) & CELLS - 1
    chosen = layout.spread(cells.mul_(entries.shape[1]).add_(contexts_of(contexts, len(symbols))))
    present = layout.present(chosen.device)
    state = torch.full((len(chosen), lanes), LEAST, device=chosen.device)
    words, left = torch.zeros_like(chosen), torch.zeros_like(present)
    for step in reversed(range(chosen.shape[1])):
        words[:, step] = state & _HALF
        state, left[:, step] = _put(state, table[chosen[:, step]], present[:, step])
    return (
        state.cpu().numpy().astype(np.uint32),
        left.sum((1, 2)).cpu().numpy(),
        words[left].cpu().numpy().astype(np.uint16),
    )


def _unpacked(entries: Keys) -> Tensor:
    """The parts of each entry, int64 [256 contexts, 5]: limit, reciprocal, bias, complement of the frequency, shift."""
    first, second = there(entries.reshape(-1, 2).view(np.int64)).unbind(1)
    return torch.stack((first & _LOW, first >> 32 & _LOW, second & _LOW, second >> 32 & _HALF, second >> 48 & _HALF), 1)


def _put(state: Tensor, entry: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """The states [n, lanes] after a symbol each, where there is one, and which of them lost a word before."""
    limit, reciprocal, bias, complement, shift = entry.unbind(2)
    large = present & (state >= limit)
    x = (state >> 16).where(large, state)
    put = x + bias + (x * reciprocal >> shift) * complement & _LOW
    return put.where(present, x), large


def rans_decode(
    words: Halves,
    sizes: Counts,
    states: Words,
    slots: NDArray[np.int8],
    spans: Words,
    contexts: Octets,
    chunk: int,
    out: NDArray[np.int8],
) -> bool:
    """Fill ``out`` with symbols; whether words and states were exactly theirs."""
    if states.shape[1] == 1:
        return compiled.rans_decode(words, sizes, states, slots, spans, contexts, chunk, out)
    layout, ends = _Layout(len(out), states.shape[1], chunk), there(sizes).cumsum(0)[:, None]
    rows = layout.spread(contexts_of(contexts, len(out)))
    reader = _Reader(there(words), there(slots.reshape(-1)), there(spans.reshape(-1)), slots.shape[1])
    present, found = layout.present(rows.device), torch.zeros_like(rows, dtype=torch.int8)
    state, at = there(states), ends - there(sizes)[:, None]
    for step in range(rows.shape[1]):
        state, at, found[:, step] = reader.get(state, at, rows[:, step], present[:, step])
    out[:] = found.reshape(-1)[: len(out)].cpu().numpy()
    return bool((at == ends).all() and (state == LEAST).all())


class _Reader(NamedTuple):
    """Words, slots and spans, and slots of a context."""

    words: Tensor
    slots: Tensor
    spans: Tensor
    width: int

    def get(self, state: Tensor, at: Tensor, rows: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States [n, lanes] and places of words [n, 1] after a symbol each, where there is one, and the symbols."""
        slot = state & self.width - 1
        found = self.slots[rows * self.width + slot]
        span = self.spans[rows * CELLS + (found.to(torch.int64) & CELLS - 1)]
        x = (span >> 16) * (state >> self.width.bit_length() - 1) + slot - (span & _HALF) & _LOW
        small = present & (x < LEAST)
        rank = small.cumsum(1)
        # Of a string that is too short any word will do: it is refused in the end.
        word = self.words[(at + rank - small.to(rank.dtype)).clamp_(max=len(self.words) - 1)]
        filled = (x << 16 & _LOW | word).where(small, x)
        return filled.where(present, state), at + rank[:, -1:], found
