"""Any bytes at all give symbols or WireError, from every code, with memory that is bounded by the number of symbols."""

import tracemalloc

import numpy as np
import pytest

from fedkd_compression import WireError
from fedkd_compression.codecs import StaticModel, choice, decode_symbols
from fedkd_compression.codecs.survey import Survey
from fedkd_compression.kernels import use
from tests.compression.codecs.samples import NONE, dithered

MODEL = StaticModel.fit(*dithered(3000, 1.0, seed=6))


def _streams():
    """A stream of every code: its symbols, its contexts, its bytes."""
    for count in (5, 400, 9000):
        for escapes in (False, True):
            symbols, contexts = dithered(count, 1.0)
            if escapes:
                symbols[[0, count // 2]] = [2**31 - 1, -300]
            for known in (contexts, NONE):
                shared = MODEL if len(known) else None
                for found in choice._candidates(Survey.of(symbols, known), shared):
                    yield symbols, known, np.frombuffer(found.put(), np.uint8)
    yield np.full(7, -9, np.int32), NONE, np.array([choice.CONSTANT, 17], np.uint8)


STREAMS = list(_streams())


def _decodes_or_refuses(data, count, contexts):
    drawn = (lambda: contexts) if len(contexts) else None
    try:
        found = decode_symbols(data, count, drawn, shared=MODEL)
    except WireError:
        return
    assert len(found) == count
    assert found.dtype in (np.int8, np.int32)


def test_every_code_is_here():
    codes = {int(data[0]) for _, _, data in STREAMS}
    assert codes >= set(range(choice.ZSTD))
    assert max(codes) >= choice.NAMED


@pytest.mark.sampled(3)
@pytest.mark.parametrize("index", range(len(STREAMS)))
@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_damage(index, backend):
    symbols, contexts, data = STREAMS[index]
    count, generator = len(symbols), np.random.default_rng(index)
    drawn = (lambda: contexts) if len(contexts) else None
    with use(backend):
        assert np.array_equal(decode_symbols(data, count, drawn, shared=MODEL), symbols)
        for _ in range(60 if backend == "numba" else 1600 // count):
            flipped = data.copy()
            # Half of the flips are where the structure is.
            at = generator.integers(0, len(data) if generator.random() < 0.5 else min(len(data), 12))
            flipped[at] ^= 1 << generator.integers(0, 8)
            _decodes_or_refuses(flipped, count, contexts)
            _decodes_or_refuses(data[: generator.integers(0, len(data))], count, contexts)
        for other in (1, count + 1, 3 * count) if backend == "numba" else ():
            _decodes_or_refuses(data, other, np.resize(contexts, other) if len(contexts) else NONE)


def test_noise():
    generator = np.random.default_rng(3)
    _, contexts = dithered(100, 1.0)
    for _ in range(3000):
        data = generator.integers(0, 256, generator.integers(0, 120)).astype(np.uint8)
        if len(data) and generator.random() < 0.7:
            data[0] = generator.integers(0, choice.ZSTD + 1)
        _decodes_or_refuses(data, 100, contexts if generator.random() < 0.5 else NONE)


@pytest.mark.parametrize("index", range(len(STREAMS)))
def test_memory_is_bounded_by_the_number_of_symbols(index):
    _, contexts, data = STREAMS[index]
    count = 10
    known = contexts[:count] if len(contexts) >= count else NONE
    _decodes_or_refuses(data, count, known)
    tracemalloc.start()
    try:
        for trial in (data, np.concatenate((data[:1], np.full(9, 0xFF, np.uint8))), data[:20]):
            _decodes_or_refuses(trial, count, known)
        assert tracemalloc.get_traced_memory()[1] < 400_000 + 100 * (count + len(data))
    finally:
        tracemalloc.stop()
