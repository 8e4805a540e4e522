"""The choice among codes is never worse than the best of them by more than a byte or two."""

import numpy as np
import pytest

from fedkd_compression import OperatorError
from fedkd_compression.codecs import StaticModel, choice, decode_symbols, encode_symbols, stream
from fedkd_compression.codecs.survey import Survey
from tests.compression.codecs.samples import NONE, dithered, rounded

SLACK = 2
"""Bytes by which the choice may be longer than the best code."""


def _geometric(count, share):
    generator = np.random.default_rng(7)
    return ((generator.geometric(share, count) - 1) * generator.choice([-1, 1], count)).astype(np.int32)


def _sparse(count, every, value):
    return np.where(np.arange(count) % every == every // 2, value, 0).astype(np.int32)


def _heavy(count):
    return np.rint(np.random.default_rng(8).standard_cauchy(count) * 3).clip(-(2**31), 2**31 - 1).astype(np.int32)


def _uniform(count, least, most):
    return np.random.default_rng(9).integers(least, most, count, endpoint=True).astype(np.int32)


MAKERS = {
    "signs": lambda count: 2 * _uniform(count, 0, 1) - 1,
    "three levels": lambda count: _uniform(count, -1, 1),
    "bytes": lambda count: _uniform(count, -128, 127),
    "wide": lambda count: _uniform(count, 0, 2**20),
    "extremes": lambda count: _uniform(count, -(2**31), 2**31 - 1),
    "geometric .5": lambda count: _geometric(count, 0.5),
    "geometric .02": lambda count: _geometric(count, 0.02),
    "normal .3": lambda count: rounded(count, 0.3),
    "normal 2": lambda count: rounded(count, 2.0),
    "normal 50": lambda count: rounded(count, 50.0),
    "normal 5000": lambda count: rounded(count, 5000.0),
    "rare ones": lambda count: _sparse(count, 500, 1),
    "rare giants": lambda count: _sparse(count, 100, 2**30),
    "offset": lambda count: rounded(count, 1.0) + 90,
    "beyond reach": lambda count: rounded(count, 1.0) + 1000,
    "cauchy": _heavy,
}
COUNTS = [1, 2, 3, 7, 20, 64, 200, 1000, 5000, 20_000]


def _alone(symbols, contexts, shared=None):
    """The bytes of every code."""
    return [len(found.put()) for found in choice._candidates(Survey.of(symbols, contexts), shared)]


def _holds(symbols, contexts, shared=None):
    drawn = (lambda: contexts) if len(contexts) else None
    coded = encode_symbols(symbols, drawn, shared)
    assert len(coded) <= min(_alone(symbols, contexts, shared)) + SLACK
    decoded = decode_symbols(np.frombuffer(coded, np.uint8), len(symbols), drawn, shared)
    assert np.array_equal(decoded, symbols)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("name", MAKERS)
def test_without_contexts(name, narrow):
    for count in COUNTS:
        symbols = MAKERS[name](count)
        if narrow:
            symbols = symbols.clip(-127, 127).astype(np.int8)
        _holds(symbols, NONE)


@pytest.mark.parametrize("step", [0.02, 0.2, 1.0, 2.5, 10.0])
def test_with_contexts(step):
    model = StaticModel.fit(*dithered(20_000, step, seed=5))
    for count in COUNTS:
        for shared in (None, model):
            _holds(*dithered(count, step), shared)


def test_long_messages_are_within_a_few_bytes_a_chunk():
    symbols, contexts = dithered(200_000, 1.0)
    chunks = -(-len(symbols) // stream.layout(len(symbols))[1])
    assert len(encode_symbols(symbols, lambda: contexts)) <= min(_alone(symbols, contexts)) + SLACK * chunks


def test_estimates_are_near_the_bytes():
    """Where tables are unlike the symbols, the coder's own rounding may add up to a hundredth of a bit a symbol."""
    for name, make in MAKERS.items():
        for count in COUNTS:
            for found in choice._candidates(Survey.of(make(count), NONE), None):
                near = (2.5 if stream.layout(count)[0] == 1 else 6) + 0.01 * count / 8
                assert abs(found.size - len(found.put())) <= near or found.size == 0, name


def test_little_to_say_is_said_in_one_chunk():
    symbols = np.zeros(2**19, np.int8)
    symbols[::50_000] = 1
    coded = encode_symbols(symbols, None)
    assert len(coded) < 90
    assert np.array_equal(decode_symbols(np.frombuffer(coded, np.uint8), len(symbols), None), symbols)


def test_contexts_of_another_number_are_refused():
    with pytest.raises(OperatorError, match="7 for 8 symbols"):
        encode_symbols(np.zeros(8, np.int32), lambda: np.zeros(7, np.uint8))
