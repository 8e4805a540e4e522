"""Tables that a number names: for short messages, for which a table of their own would cost too much.

What was rounded is taken as normal with a random scale, S exp(t Z) with Z standard normal: t = 0 is the normal
distribution, t near 1/2 is close to Laplace's, and larger t have heavier tails. A name is 40 times one of six spreads t
plus one of forty scales S, in symbols. With contexts, a symbol is q = round(x + u) with u uniform in (-1/2, 1/2), and a
context is the sixteenth part of that interval where u is (``SubtractiveDither``); without, it is q = round(x).

Everything is computed in whole numbers: probabilities in units of 2^-30, so that every machine finds the same tables.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import accumulate, pairwise
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.codecs.logarithms import BIT, FINEST, costs, powers
from fedkd_compression.codecs.tables import Tables, precision_of
from fedkd_compression.kernels.portable.counts import CELLS, CONTEXTS, OTHERS, REACH

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Halves, Octets, Words

NAMES = 240
_SCALES = 40
_LEAST_SCALE = 4
"""Scale i is 2^(i/4 - 4)."""
_SPREAD = 3
"""Spread i widens a scale by 3 i sixteenths of an octave for each half standard deviation of Z: t = .26 i."""
_NODES = np.arange(-8, 9)
"""Half standard deviations at which Z is taken."""
_PART = 5
"""Ends of symbols are multiples of 1/32."""
_NORMAL, _NORMAL_END, _NORMAL_FINE = 32, 9, 12
"""The normal distribution is kept at multiples of 1/32 up to 9; places in it have 12 bits below that grid."""
_UNIT, _TOP, _OCTAVE = 12, 7, 32
"""A mixture is kept at 32 points an octave up to 2^7; places in it are in units of 2^-12."""
_ONE, _POWER = 30, 24
"""Bits of a probability, and of ``powers(0)``."""
_COST = 10
_ESCAPE = 24 << _COST
"""About what an escape's value costs, as costs are kept: in units of 2^-10 bit."""
_WORK = 96


@lru_cache(maxsize=64)
def named(name: int, mirrored: bool) -> Tables:
    """The tables with a name in 0 .. 239, for sixteen contexts or for none."""
    spread, scale = divmod(name, _SCALES)
    return Tables.of(_weights(spread, np.array([scale]), mirrored), mirrored)


def nearest(own: Counts) -> int:
    """The name of the tables that make symbols with counts [8 or 1, 256] (``Survey.own``) shortest."""
    return kernels.backend().cheapest(own, _costs(len(own) > 1))


@cache
def _costs(mirrored: bool) -> Halves:
    """What every cell costs under every name, uint16 [8 or 1, 256, 240]."""
    frequencies = _frequencies(mirrored)
    sizes = costs(precision_of(mirrored))[frequencies] // (BIT >> _COST)
    escaped = sizes[:, OTHERS:][:, :1] + _ESCAPE
    sizes = np.where((frequencies > 0) & (np.arange(CELLS) != OTHERS), sizes, escaped)
    return np.ascontiguousarray(sizes.reshape(NAMES, -1, CELLS).transpose(1, 2, 0).astype(np.uint16))


def _frequencies(mirrored: bool) -> Counts:
    """Of every cell under every name, int64 [240 * (8 or 1), 256]."""
    spreads, scales = range(NAMES // _SCALES), np.arange(_SCALES)
    weights = np.concatenate([_weights(spread, scales, mirrored) for spread in spreads])
    return Tables.of(weights, mirrored).frequencies


@cache
def everything(mirrored: bool) -> tuple[Halves, Words, Words, Octets]:
    """Costs, frequencies, first slots of all cells under every name, and which cells have a frequency of their own.

    Those that do not have the escape's. Costs are uint16 [8 or 1, 256, 240], the others [240, 8 or 1, 256].
    """
    own = _frequencies(mirrored).reshape(NAMES, -1, CELLS)
    first, covered = np.cumsum(own, axis=2) - own, (own > 0) & (np.arange(CELLS) != OTHERS)
    frequencies = np.where(own > 0, own, np.maximum(own[:, :, OTHERS:][:, :, :1], 1))
    starts = np.where(own > 0, first, first[:, :, OTHERS:][:, :, :1])
    return _costs(mirrored), frequencies.astype(np.uint32), starts.astype(np.uint32), covered.astype(np.uint8)


def _weights(spread: int, scales: Counts, mirrored: bool) -> Counts:
    """Probabilities of the cells, int64 [8 scales or scales, 256]; those too rare for a frequency go to the escapes."""
    # A symbol ends at q + 1/2 - u; u is taken at the middle of its context's part.
    middle = 2 * np.arange(CONTEXTS // 2)[:, None] - (CONTEXTS - 1) if mirrored else np.zeros((1, 1), np.int64)
    ends = (np.arange(-REACH - 1, REACH + 1) << _PART) + (1 << (_PART - 1)) - middle
    inner = np.diff(_below(ends, spread, scales[:, None, None]), axis=2).reshape(-1, 2 * REACH + 1)
    inner[inner << precision_of(mirrored) < 1 << (_ONE - 1)] = 0
    weights = np.zeros((len(inner), CELLS), np.int64)
    weights[:, np.arange(-REACH, REACH + 1)] = inner
    weights[:, OTHERS] = np.maximum((1 << _ONE) - inner.sum(axis=1), 1)
    return weights


def _below(ends: Counts, spread: int, scale: Counts) -> Counts:
    """The probability of what is below ``ends``, in 1/32."""
    shrunk = powers(FINEST // 4 * scale)
    places = (np.abs(ends) << (_UNIT - _PART)) * shrunk >> (_POWER - _LEAST_SCALE)
    held = np.minimum(places, (1 << (_UNIT + _TOP)) - 1)
    octave = np.maximum(np.frexp(held.astype(np.float64))[1].astype(np.int64) - _OCTAVE.bit_length(), 0)
    above = _between(_mixture(spread), _OCTAVE * octave + (held >> octave), held & (1 << octave) - 1, octave)
    return np.where(ends > 0, (1 << _ONE) - above, above)


@cache
def _mixture(spread: int) -> Counts:
    """The probability of what exceeds each point of a mixture's grid, for S = 1."""
    density, normal = _normal()
    share = density[np.abs(_NODES) * (_NORMAL // 2)]
    index = np.arange(_OCTAVE * (_UNIT + _TOP - _OCTAVE.bit_length() + 2) + 1)
    octave = np.maximum(index // _OCTAVE - 1, 0)
    points = index - _OCTAVE * octave << octave
    # Half the range of ``powers`` is for scales that grow: 2^8, more than the widest spread needs.
    shrunk = powers(_NODES[:, None] * _SPREAD * spread + 8 * FINEST)
    places = (points << (_NORMAL_FINE + _PART - _UNIT)) * shrunk >> (_POWER - 8)
    held = np.minimum(places, (len(normal) - 1 << _NORMAL_FINE) - 1)
    above = _between(normal, held >> _NORMAL_FINE, held & (1 << _NORMAL_FINE) - 1, _NORMAL_FINE)
    mixed: Counts = (share[:, None] * above).sum(axis=0) // share.sum()
    mixed[-1] = 0
    return mixed


def _between(table: Counts, index: Counts, part: Counts, bits: Counts | int) -> Counts:
    """The straight line between a table's points: ``part`` out of 2^bits after ``index``."""
    value: Counts = table[index] + ((table[index + 1] - table[index]) * part >> bits)
    return value


@cache
def _normal() -> tuple[Counts, Counts]:
    """exp(-z^2/2) in units of 2^-15, and the probability that a standard normal exceeds z, at z = 0, 1/32, .., 9."""
    # Each density is the one before times a ratio that shrinks by a constant factor.
    one = 1 << _WORK
    ratio = sum((-1) ** n * one // (factorial(n) * (2 * _NORMAL**2) ** n) for n in range(12))
    square, densities = ratio * ratio >> _WORK, [one]
    for _ in range(_NORMAL * _NORMAL_END):
        densities.append(densities[-1] * ratio >> _WORK)
        ratio = ratio * square >> _WORK
    tails = list(accumulate((a + b for a, b in pairwise(reversed(densities))), initial=0))[::-1]
    above = [(tail << (_ONE - 1)) // tails[0] for tail in tails]
    return np.array([density >> (_WORK - 15) for density in densities], np.int64), np.array(above, np.int64)
