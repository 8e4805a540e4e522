"""The codes that could serve, with the bytes that each would take, and the shortest of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fedkd_compression import kernels
from fedkd_compression.codecs import escapes, folding, histogram, parametric, rice, stream, varint, zstd
from fedkd_compression.errors import OperatorError

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts
    from fedkd_compression.codecs.static_model import StaticModel
    from fedkd_compression.codecs.survey import Survey
    from fedkd_compression.codecs.tables import Tables

CONSTANT, FIXED, RICE, TABLES, SHARED, SHARED_ESCAPES, NAMED_ESCAPES, ZSTD = range(8)
NAMED = 16
"""The first byte of a stream; from here on, NAMED plus the name of parametric tables."""
_NEAR_ONE, _NEAR_MANY = 1.0, 2.0
"""How far a stream of one lane, or of several, may be from its estimate."""


class Candidate(NamedTuple):
    """A code: its estimated bytes, and what makes it."""

    size: float
    put: Callable[[], bytes]


def shortest(survey: Survey, shared: StaticModel | None, with_zstd: bool) -> bytes:
    """The shortest code of symbols; those whose estimates are too close to tell are all made."""
    candidates = sorted(_candidates(survey, shared), key=lambda candidate: candidate.size)
    coded = candidates[0].put()
    lanes, chunk = stream.layout(len(survey.symbols))
    near = _NEAR_ONE if lanes == 1 else _NEAR_MANY if len(survey.symbols) <= chunk else 0.0
    for candidate in candidates[1:]:
        if candidate.size < len(coded) + near:
            coded = min(coded, candidate.put(), key=len)
    if with_zstd and zstd.promising(survey.symbols, len(coded)):
        coded = min(coded, bytes((ZSTD,)) + zstd.encode(survey.symbols), key=len)
    return coded


def _candidates(survey: Survey, shared: StaticModel | None) -> Iterator[Candidate]:
    least, most, k, size = kernels.backend().summary(survey.total, survey.others)
    if least == most:
        yield Candidate(0.0, lambda: bytes((CONSTANT,)) + varint.put(varint.folded(least)))
        return
    yield _fixed(survey, least, (most - least).bit_length())
    yield Candidate(1 + size, partial(_rice, survey, k))
    with_contexts = len(survey.contexts) > 0
    own = survey.own(with_contexts)
    yield _histogram(survey, own)
    name = parametric.nearest(own)
    yield _coded(survey, parametric.named(name, with_contexts), 1, partial(_name, name))
    if shared is not None:
        if shared.tables.mirrored and not with_contexts:
            raise OperatorError("StaticModel: fitted with contexts, which this operator does not have; fit without")
        yield _coded(survey, shared.tables, 1, lambda escaped: bytes((SHARED_ESCAPES if escaped else SHARED,)))


def _fixed(survey: Survey, least: int, width: int) -> Candidate:
    head = bytes((FIXED,)) + varint.put(varint.folded(least)) + bytes((width,))

    def put() -> bytes:
        # Symbols in one octet have differences from the least that fit into one.
        if survey.symbols.dtype == np.int8:
            return head + kernels.backend().pack((survey.symbols - np.int8(least)).view(np.uint8), width).tobytes()
        shifted = (survey.symbols.astype(np.int64) - least).astype(np.uint32)
        return head + kernels.backend().pack(shifted, width).tobytes()

    return Candidate(len(head) + (len(survey.symbols) * width + 7) // 8, put)


def _rice(survey: Survey, k: int) -> bytes:
    return bytes((RICE,)) + rice.encode(folding.folded(survey.symbols.astype(np.int32)), k)


def _histogram(survey: Survey, own: Counts) -> Candidate:
    best, count = histogram.best(own, histogram.steps_of(len(survey.symbols))), len(survey.symbols)
    whole = count > stream.CHUNK and stream.better_whole(best.tables.spent(own)[0], count)
    head = bytes((TABLES,)) + best.histogram.put(best.k, whole)
    return _coded(survey, best.tables, len(head), lambda _: head, whole)


def _coded(
    survey: Survey, tables: Tables, head_size: int, head: Callable[[bool], bytes], whole: bool = False
) -> Candidate:
    """The entropy-coded stream under tables; its head depends on whether there are escapes."""
    cost, number = tables.spent(survey.own(tables.mirrored))
    k, values = escapes.plan(survey, tables, number) if number else (0, 0)

    def put() -> bytes:
        escaped = escapes.put(survey, tables, number, k) if number else b""
        return b"".join((head(number > 0), escaped, *stream.parts(survey.narrow, survey.contexts, tables, whole)))

    return Candidate(head_size + values + stream.size(cost, len(survey.symbols), whole), put)


def _name(name: int, escaped: bool) -> bytes:
    return bytes((NAMED_ESCAPES, name)) if escaped else bytes((NAMED + name,))
