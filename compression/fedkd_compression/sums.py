"""Sums of vectors that do not depend on the order of their terms, nor on who added which.

total = ExactSum.zeros(dim)
for frame, key, weight in arrived:                                     # in any order
    total.add(decompress(operator, [frame], key, dim)[0], weight)
total.merge(ExactSum.unpack(other_worker, dim))                        # any split, merged in any order
mean = total.total() / weights                                         # the same bits

A packed sum, little endian, is

    magic 2 | version 2 | CRC-32 of what follows 4 | terms 8 | dim 8 | limbs in their units, int64 [3, dim]
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedkd_compression import kernels
from fedkd_compression.errors import OperatorError, WireError
from fedkd_compression.kernels.portable.exact import BOUND, LARGEST, MOST, UNITS

if TYPE_CHECKING:
    from torch import Tensor

MAGIC, VERSION = 0x53FC, 1
_START = struct.Struct("<HHI")
_REST = struct.Struct("<QQ")
_HEADER = _START.size + _REST.size
_UNITS = np.array(UNITS)[:, None]


class ExactSum:
    """A sum of terms t = weight * x that is a function of the multiset of terms alone.

    Each term is rounded once in float64 and cut to multiples of 2^-3, 2^-38 and 2^-73, after Ozaki's pre-rounding and
    the reproducible sums of Demmel and Nguyen (2015). Three limbs add the pieces without any rounding, because a term
    is at most 2^32 and there are at most 2^18; ``kernels.portable.exact`` has the proof. At most 2^-74
    (5.3e-23) of each term is dropped, so the total is that of the terms within ``terms * 2^-74`` and one unit in the
    last place. The product of a float32 value and a whole weight below 2^29 is exact. One thread at a time may add.

    Args:
        limbs: float64 [3, d] on the CPU, multiples of 2^-3, 2^-38 and 2^-73.
        terms: how many vectors are in it.

    Example:
        >>> total = ExactSum.zeros(3)
        >>> total.add(torch.tensor([1e9, 0.1, 1.0]), 2.0)
        >>> total.total()
    """

    __slots__ = ("limbs", "terms")

    def __init__(self, limbs: Tensor, terms: int) -> None:
        self.limbs, self.terms = limbs, terms

    @classmethod
    def zeros(cls, dim: int) -> ExactSum:
        """The sum of no terms of dimension ``dim``."""
        return cls(torch.zeros(3, dim, dtype=torch.float64), 0)

    @property
    def dim(self) -> int:
        """Dimension of the terms."""
        return self.limbs.shape[1]

    def add(self, x: Tensor, weight: float = 1.0) -> None:
        """Add weight * x, in place.

        Args:
            x: [d], float32 or float64, of any device.
            weight: finite.

        Raises:
            OperatorError: as ``add_rows``; the sum is then as it was.
        """
        self.add_rows(x[None], [weight])

    def add_rows(self, rows: Tensor, weights: Sequence[float] | Tensor) -> None:
        """Add weights times rows, in place: the same bits as ``add`` of each, in fewer passes over the limbs.

        Args:
            rows: [n, d], float32 or float64, of any device.
            weights: n, finite.

        Raises:
            OperatorError: a term is not finite or beyond 2^32, there are more than 2^18, or a shape or dtype is
                another; the sum is then as it was.
        """
        work, shares = self._checked(rows, weights)
        add = kernels.on("cpu").exact_add
        if add(work, shares, self.limbs):
            # Terms of the other sign are cut to pieces of the other sign, so this restores every bit.
            add(work, -shares, self.limbs)
            raise OperatorError(_refusal(work, shares))
        self.terms += len(work)

    def merge(self, other: ExactSum) -> None:
        """Add the terms of another sum, in place.

        Raises:
            OperatorError: it has another dimension, or both have more than 2^18 terms; the sum is then as it was.
        """
        if other.dim != self.dim:
            raise OperatorError(f"ExactSum: dim={other.dim} merged into dim={self.dim}; merge sums of one dimension")
        self._expect_room(other.terms)
        self.limbs += other.limbs
        self.terms += other.terms

    def total(self) -> Tensor:
        """The sum, float64 [d]: limbs added from the coarsest, so rounded twice at most."""
        return (self.limbs[0] + self.limbs[1]) + self.limbs[2]

    def pack(self) -> bytes:
        """The sum as bytes: 24 a coordinate, and 24; equal sums have equal bytes."""
        out = bytearray(_HEADER + 24 * self.dim)
        whole = np.frombuffer(out, "<i8", offset=_HEADER).reshape(3, self.dim)
        np.divide(self.limbs.numpy(), _UNITS, out=whole, casting="unsafe")
        _REST.pack_into(out, _START.size, self.terms, self.dim)
        _START.pack_into(out, 0, MAGIC, VERSION, zlib.crc32(memoryview(out)[_START.size :]))
        return bytes(out)

    @classmethod
    def unpack(cls, data: bytes | memoryview, dim: int) -> ExactSum:
        """The sum that was packed; any bytes give a sum of dimension ``dim`` or WireError.

        Raises:
            WireError: they are foreign, damaged, of another dimension, or no sum of so many terms.
        """
        terms = _terms_of(data, dim)
        whole = np.frombuffer(data, "<i8", offset=_HEADER).reshape(3, dim)
        for limb, largest in zip(whole, LARGEST, strict=True):
            least, most = int(limb.min(initial=0)), int(limb.max(initial=0))
            if max(-least, most) > terms * largest:
                raise WireError(f"sum: a limb of {max(-least, most)} units is beyond {terms} terms of {largest}")
        return cls(torch.from_numpy(whole * _UNITS), terms)

    def _checked(self, rows: Tensor, weights: Sequence[float] | Tensor) -> tuple[Tensor, Tensor]:
        """The rows, contiguous on the CPU, and the weights, float64."""
        given = weights if isinstance(weights, torch.Tensor) else torch.from_numpy(np.array(weights, np.float64))
        shares = given.detach().cpu().double().contiguous()
        if rows.ndim != 2 or rows.shape[1] != self.dim or shares.shape != rows.shape[:1]:
            raise OperatorError(
                f"ExactSum: rows {tuple(rows.shape)} with weights {tuple(shares.shape)} for dim={self.dim}; "
                "give rows [n, dim] and n weights"
            )
        if rows.dtype not in (torch.float32, torch.float64):
            raise OperatorError(f"ExactSum: rows of {rows.dtype}; convert them to float32 or float64")
        self._expect_room(len(rows))
        return rows.detach().cpu().contiguous(), shares

    def _expect_room(self, count: int) -> None:
        if self.terms + count > MOST:
            raise OperatorError(f"ExactSum: {self.terms + count} terms exceed 2^18; sum fewer, and add their totals")


def exact_total(rows: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The sum of weights times rows, float64 [d]: the bits of ``ExactSum.total`` after all are added, in one pass.

    Args:
        rows: n > 0 of [d], float32 or float64, of any device; they are not stacked.
        weights: n, finite.

    Raises:
        OperatorError: as ``ExactSum.add_rows``.

    Example:
        >>> exact_total([torch.tensor([1.0, 0.1]), torch.tensor([2.0, 0.2])], [1.0, 3.0])
    """
    if not rows or len(rows) > MOST or len(rows) != len(weights) or len({row.shape for row in rows}) > 1:
        raise OperatorError(
            f"exact_total: {len(rows)} rows with {len(weights)} weights; give 1 to 2^18 rows [d] and a weight for each"
        )
    kinds = {row.dtype for row in rows}
    if not kinds <= {torch.float32, torch.float64}:
        raise OperatorError(f"exact_total: rows of {', '.join(map(str, kinds))}; convert them to float32 or float64")
    kind, shares = torch.float32 if kinds == {torch.float32} else torch.float64, np.array(weights, np.float64)
    work = [row.detach().cpu().contiguous().to(kind).numpy() for row in rows]
    out = np.empty(len(rows[0]))
    if kernels.backend().exact_total(work, shares, out):
        worst = max(range(len(rows)), key=lambda i: _reach(rows[i], weights[i]))
        raise OperatorError(_refusal(rows[worst][None], torch.from_numpy(shares[worst : worst + 1])))
    return torch.from_numpy(out)


def _reach(row: Tensor, weight: float) -> float:
    """The largest absolute term of a row; infinite where one is not finite."""
    largest = float(row.abs().max()) * abs(weight)
    return largest if math.isfinite(largest) else math.inf


def _terms_of(data: bytes | memoryview, dim: int) -> int:
    """How many terms a packed sum says it has, after all checks but those of its limbs."""
    if len(data) < _HEADER:
        raise WireError(f"sum: {len(data)} bytes, fewer than the {_HEADER} of its header")
    magic, version, checksum = _START.unpack_from(data)
    terms, own = _REST.unpack_from(data, _START.size)
    if (magic, version) != (MAGIC, VERSION):
        raise WireError(f"sum: starts with {bytes(data[:4]).hex()}, which is not magic and version of a sum")
    if own != dim or len(data) != _HEADER + 24 * dim:
        raise WireError(f"sum: dim={own} in {len(data)} bytes where dim={dim} is expected in {_HEADER + 24 * dim}")
    if zlib.crc32(memoryview(data)[_START.size :]) != checksum:
        raise WireError(f"sum: {len(data)} bytes are damaged")
    if terms > MOST:
        raise WireError(f"sum: {terms} terms exceed 2^18")
    return int(terms)


def _refusal(rows: Tensor, weights: Tensor) -> str:
    """What is wrong with the weights, or with the largest term."""
    if not bool(torch.isfinite(weights).all()):
        return "ExactSum: a weight is NaN or infinite; give finite weights"
    worst = float((kernels.on("cpu").peaks(rows) * weights.abs()).max())
    if math.isfinite(worst):
        return f"ExactSum: a term of {worst:.6g} exceeds {BOUND:.0f} (2^32); scale down, or the training diverged"
    return "ExactSum: a term is NaN or infinite, beyond 2^32: the training diverged; lower its step size or scale down"
