"""EDEN: a random rotation, then the best scalar quantiser for Gaussian coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import torch

from fedkd_compression import kernels
from fedkd_compression.code import Code
from fedkd_compression.errors import OperatorError
from fedkd_compression.operators.base import Operator, Traits
from fedkd_compression.operators.checks import expect_side, expect_symbols
from fedkd_compression.operators.norms import l2_norms
from fedkd_compression.operators.rotation import block_of, check_block, padded, rotate, rotate_back

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key

CENTROIDS = {
    1: (0.7978845608028654,),
    2: (0.4527800346364912, 1.5104176084990948),
    3: (0.24509417894422036, 0.756005281205875, 1.343909278504995, 2.151945704536982),
    4: (
        *(0.12839502985114712, 0.3880482994902902, 0.6567591185324643, 0.9423404564869629),
        *(1.2562311973471778, 1.618046386021885, 2.0690172265313955, 2.73258957099515),
    ),
}
"""Positive centroids of the Lloyd-Max quantiser of a standard Gaussian, for each number of bits."""
_FARTHEST = 120
_CUT_OFF = {1: 0.5, 2: 0.3064, 3: 0.0967, 4: 0.0275}
"""Bounds on what is lost of any row; ``EDEN.delta`` says why."""


@dataclass(frozen=True)
class EDEN(Operator):
    """Rotate blocks at random, round each coordinate to one of 2^bits centroids, scale each block.

    With R the rotation of a block of B coordinates (signs from the key, then Hadamard), z = sqrt(B) R x/|x| and Q the
    Lloyd-Max quantiser of a standard Gaussian: C(x) = S R^T Q(z), where S = <Rx, Q>/|Q|^2 loses least ("biased") and
    S = |x|^2/<Rx, Q> keeps <C(x), x> = |x|^2 in every draw ("unbiased").
    Source: Vargaftik et al., EDEN (2022); block rotation for large vectors.

    The error of a long Gaussian row is .363, .117, .0345, .0095 of |x|^2 at 1 to 4 bits ("biased"), e/(1 - e) of these
    ("unbiased"). "unbiased" is so for a uniformly random rotation only: with Hadamard's, a row with few large
    coordinates is off in the mean, by up to a third of a coordinate at 1 bit. So the trait is not claimed, and there is
    no omega: use it for dense rows, or with error feedback.

    Args:
        bits: of a coordinate before entropy coding, 1 to 4.
        scale: "biased" or "unbiased".
        block: largest block, a power of two up to 8192; rows are padded to whole blocks.

    Example:
        >>> EDEN(bits=2, scale="biased").delta(dim=1000)
        0.6936
    """

    bits: int
    scale: Literal["biased", "unbiased"] = "biased"
    block: int = 4096
    traits = Traits(narrow=True, anywhere=True)

    def __post_init__(self) -> None:
        if self.bits not in CENTROIDS:
            raise OperatorError(f"EDEN: bits={self.bits} is outside [1, 4]; choose bits = 2")
        if self.scale not in ("biased", "unbiased"):
            raise OperatorError(f"EDEN: scale={self.scale!r} is unknown; choose 'biased' or 'unbiased'")
        check_block("EDEN", self.block)

    def encode(self, rows: Tensor, key: Key) -> Code:
        """Symbols [n, padded d] in [-2^(bits-1), 2^(bits-1)) and one scale a block [n, blocks]."""
        return self.transmit(rows, key)[0]

    def transmit(self, rows: Tensor, key: Key) -> tuple[Code, Tensor]:
        """Both in one pass: the scales need the centroids in any case."""
        rotated = rotate(rows, key, self.block)
        blocks = rotated.reshape(-1, block_of(rows.shape[1], self.block))
        symbols = self._rounded(blocks)
        restored = self._restored(symbols, rows.dtype)
        scales = self._scales(blocks, restored).to(rows.dtype)
        code = Code(symbols.reshape(rotated.shape), side=scales.reshape(len(rows), -1))
        received = (restored * scales[:, None]).reshape(rotated.shape)
        return code, rotate_back(received, key, rows.shape[1], self.block)

    def decode(self, code: Code, key: Key, dim: int) -> Tensor:
        """The centroids times the blocks' scales, rotated back."""
        wide, block = padded(dim, self.block), block_of(dim, self.block)
        symbols, scales = expect_symbols(code, wide), expect_side(code, wide // block)
        blocks = self._restored(symbols.reshape(-1, block), scales.dtype) * scales.reshape(-1, 1)
        return rotate_back(blocks.reshape(symbols.shape), key, dim, self.block)

    def delta(self, dim: int) -> float | None:
        """A bound for every row, for the "biased" scale.

        1 bit: <Rx, Q>^2/|Q|^2 = |Rx|_1^2/B, and Khintchine's inequality (Szarek, 1976) makes its mean at least |x|^2/2.
        2 to 4 bits: (z - Q(z))^2 <= a + b z^2 + c z^4 + e z^6 + f z^8 with c, e, f >= 0 found by linear programming;
        the even moments of a sum of random signs are at most a Gaussian's (Khintchine): 1, 3, 15, 105.
        """
        return 1 - _CUT_OFF[self.bits] if self.scale == "biased" else None

    def _rounded(self, blocks: Tensor) -> Tensor:
        """The cell of every coordinate, int8 [m, B]: i for the i-th positive centroid, -1 - i for its negative."""
        norms, exponent = self._norms(blocks)
        scale = blocks.shape[1] ** 0.5 / torch.where(norms > 0, norms, 1)
        unit = _shrunk(blocks, exponent) * scale.to(blocks.dtype)[:, None]
        centroids = _signed(self.bits)
        cells = torch.full_like(unit, -(len(centroids) // 2), dtype=torch.int8)
        for low, high in pairwise(centroids):
            cells += unit >= (low + high) / 2
        return cells

    def _restored(self, symbols: Tensor, dtype: torch.dtype) -> Tensor:
        """The centroids of symbols [m, B]; a symbol that no sender makes gets an outermost one."""
        centroids = torch.tensor(_signed(self.bits), dtype=dtype, device=symbols.device)
        cells = (symbols.int() + len(centroids) // 2).clamp_(0, len(centroids) - 1)
        return centroids.take(cells.long())

    def _scales(self, blocks: Tensor, restored: Tensor) -> Tensor:
        """S of every block, float64 [m]; 0 for a block of zeros."""
        run, (norms, exponent) = kernels.on(blocks.device), self._norms(blocks)
        along = run.dots(_shrunk(blocks, exponent), restored)
        scales = (
            along / run.squares(restored) if self.scale == "biased" else norms**2 / torch.where(along > 0, along, 1)
        )
        return torch.ldexp(torch.where(norms > 0, scales, 0), exponent)

    @staticmethod
    def _norms(blocks: Tensor) -> tuple[Tensor, Tensor]:
        """Norms of the shrunk blocks, float64 [m], and the power of two by which they are shrunk."""
        _, exponent = torch.frexp(kernels.on(blocks.device).peaks(blocks))
        exponent = exponent.clamp(-_FARTHEST, _FARTHEST)
        return l2_norms(_shrunk(blocks, exponent)), exponent


def _shrunk(blocks: Tensor, exponent: Tensor) -> Tensor:
    """Blocks over a power of two each, exactly: tiny and huge ones neither vanish nor overflow when squared."""
    return blocks * torch.ldexp(torch.ones_like(exponent, dtype=blocks.dtype), -exponent)[:, None]


def _signed(bits: int) -> tuple[float, ...]:
    """All 2^bits centroids, in increasing order."""
    return (*(-centroid for centroid in reversed(CENTROIDS[bits])), *CENTROIDS[bits])
