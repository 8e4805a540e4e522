"""The entropy coder against its entropy and against an independent coder with the same models."""

import constriction
import numpy as np
import pytest

from fedkd_compression import WireError
from fedkd_compression.codecs import model, rans
from fedkd_compression.kernels import backend, use

NONE = np.empty(0, np.uint8)


def _symbols(count, spread, seed=0):
    return np.rint(np.random.default_rng(seed).normal(0, spread, count)).astype(np.int32)


def _dithered(count, step, seed=1):
    generator = np.random.default_rng(seed)
    u = generator.random(count) - 0.5
    symbols = np.rint(generator.standard_normal(count) / step + u).astype(np.int32)
    return symbols, np.floor((u + 0.5) * 16).astype(np.uint8)


def _coded(symbols, contexts):
    counts = backend().count(symbols, contexts)
    return rans.encode(symbols, contexts, model.best(counts, len(contexts) > 0))


def _independent_bytes(symbols):
    """Bytes of constriction's ANS coder with the symbols' own frequencies as its model."""
    values, inverse = np.unique(symbols, return_inverse=True)
    frequencies = np.bincount(inverse).astype(np.float32)
    entropy_model = constriction.stream.model.Categorical(frequencies / frequencies.sum(), perfect=False)
    coder = constriction.stream.stack.AnsCoder()
    coder.encode_reverse(inverse.astype(np.int32), entropy_model)
    assert len(values) > 1
    return 4 * len(coder.get_compressed())


@pytest.mark.parametrize("spread", [0.4, 1.0, 4.0, 30.0])
def test_within_one_percent_of_an_independent_coder_with_one_table(spread):
    symbols = _symbols(200_000, spread)
    coded = _coded(symbols, NONE)
    assert len(coded) <= 1.01 * _independent_bytes(symbols)
    assert np.array_equal(rans.decode(np.frombuffer(coded, np.uint8), len(symbols), None), symbols)


@pytest.mark.parametrize("step", [0.25, 1.0, 2.5])
def test_within_one_percent_of_an_independent_coder_with_a_model_a_bin(step):
    symbols, contexts = _dithered(400_000, step)
    coded = _coded(symbols, contexts)
    independent = sum(_independent_bytes(symbols[contexts == context]) for context in range(16))
    assert len(coded) <= 1.01 * independent
    assert np.array_equal(rans.decode(np.frombuffer(coded, np.uint8), len(symbols), lambda: contexts), symbols)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 100, 4095, 4097, 65_537])
@pytest.mark.parametrize("shared", [False, True])
def test_every_length_comes_back(count, shared):
    symbols, contexts = _dithered(count, 1.0)
    known = contexts if shared else NONE
    coded = np.frombuffer(_coded(symbols, known), np.uint8)
    assert np.array_equal(rans.decode(coded, count, lambda: contexts), symbols)


@pytest.mark.parametrize("shared", [False, True])
def test_rare_and_huge_symbols_escape(shared):
    symbols, contexts = _dithered(5000, 1.0)
    symbols[[3, 1000, 4999]] = [2**31 - 1, -(2**31), 4000]
    coded = _coded(symbols, contexts if shared else NONE)
    assert len(coded) < 5000 * 2.6 / 8
    assert np.array_equal(rans.decode(np.frombuffer(coded, np.uint8), 5000, lambda: contexts), symbols)


def test_contexts_pay_at_a_low_rate():
    symbols, contexts = _dithered(200_000, 2.5)
    assert len(_coded(symbols, contexts)) < 0.87 * len(_coded(symbols, NONE))


def test_few_symbols_get_few_tables():
    tables = [len(model.best(backend().count(*_dithered(count, 1.0)), True).counts) for count in (100, 3000, 400_000)]
    assert tables == sorted(tables)
    assert tables[0] < tables[-1] == 8


def test_every_truncation_is_refused():
    symbols, contexts = _dithered(300, 1.0)
    coded = np.frombuffer(_coded(symbols, contexts), np.uint8)
    for end in range(len(coded)):
        with pytest.raises(WireError):
            rans.decode(coded[:end], 300, lambda: contexts)


@pytest.mark.parametrize("count", [299, 301, 10_000])
def test_another_count_is_refused(count):
    symbols, contexts = _dithered(300, 1.0)
    coded = np.frombuffer(_coded(symbols, contexts), np.uint8)
    with pytest.raises(WireError):
        rans.decode(coded, count, lambda: np.resize(contexts, count))


def test_contexts_that_the_receiver_does_not_have_are_missed():
    symbols, contexts = _dithered(3000, 1.0)
    coded = np.frombuffer(_coded(symbols, contexts), np.uint8)
    with pytest.raises(WireError, match="contexts"):
        rans.decode(coded, 3000, None)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("count", [1, 37, 4500])
def test_both_sets_of_kernels_make_the_same_bytes(count, shared):
    symbols, contexts = _dithered(count, 0.3)
    symbols[0] = 5000
    known = contexts if shared else NONE
    coded = []
    for name in ("numba", "numpy"):
        with use(name):
            coded.append(_coded(symbols, known))
            assert np.array_equal(rans.decode(np.frombuffer(coded[0], np.uint8), count, lambda: contexts), symbols)
    assert coded[0] == coded[1]
