"""The entropy-coded stream: near its entropy and an independent coder, in chunks, for any number of threads."""

import threading

import numpy as np
import pytest

from fedkd_compression import WireError
from fedkd_compression.codecs import histogram, stream
from fedkd_compression.codecs.survey import Survey
from fedkd_compression.codecs.tables import Tables
from fedkd_compression.kernels import use
from fedkd_compression.kernels.compiled.compiler import use_threads
from tests.compression.codecs.samples import NONE, dithered, independent_bytes, rounded

FINE = 16


def tables_of(symbols, contexts):
    """Tables in proportion to the symbols."""
    mirrored = len(contexts) > 0
    return Tables.of(Survey.of(symbols, contexts).own(mirrored), mirrored)


def histogram_of(symbols, contexts):
    """Tables that fit the symbols, and the bytes that these tables take in a stream."""
    best = histogram.best(Survey.of(symbols, contexts).own(len(contexts) > 0), FINE)
    return best.tables, len(best.histogram.put(best.k))


def coded(symbols, contexts, tables):
    return np.frombuffer(stream.put(symbols.astype(np.int8), contexts, tables), np.uint8)


@pytest.mark.parametrize("spread", [0.4, 1.0, 4.0, 30.0])
def test_within_one_percent_of_an_independent_coder_with_one_table(spread):
    symbols = rounded(200_000, spread).clip(-127, 127)
    tables, own = histogram_of(symbols, NONE)
    data = coded(symbols, NONE, tables)
    assert len(data) + own <= 1.01 * independent_bytes(symbols)
    assert np.array_equal(stream.take(data, len(symbols), NONE, tables), symbols)


@pytest.mark.parametrize("step", [0.25, 1.0, 2.5])
def test_within_one_percent_of_an_independent_coder_with_a_model_a_bin(step):
    symbols, contexts = dithered(400_000, step)
    tables, own = histogram_of(symbols, contexts)
    data = coded(symbols, contexts, tables)
    independent = sum(independent_bytes(symbols[contexts == context]) for context in range(16))
    assert len(data) + own <= 1.01 * independent
    assert np.array_equal(stream.take(data, len(symbols), contexts, tables), symbols)


LENGTHS = [1, 2, 3, 5, 8, 100, 8191, 8192, 8193, stream.CHUNK, stream.CHUNK + 1, 3 * stream.CHUNK - 1]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("count", LENGTHS)
@pytest.mark.parametrize("shared", [False, True])
def test_every_length_comes_back_from_every_set_of_kernels(count, shared):
    symbols, contexts = dithered(count, 1.0)
    known = contexts if shared else NONE
    tables = tables_of(symbols, known)
    data = {}
    for name in ("numba", "numpy"):
        with use(name):
            fresh = Tables(tables.frequencies, tables.mirrored)
            data[name] = coded(symbols, known, fresh)
            assert np.array_equal(stream.take(data["numba"], count, known, fresh), symbols)
    assert np.array_equal(data["numba"], data["numpy"])


def test_the_estimate_is_near_the_bytes():
    for count in (10, 500, 8000, 20_000, 200_000):
        symbols, contexts = dithered(count, 1.0)
        tables = tables_of(symbols, contexts)
        spent, escapes = tables.spent(Survey.of(symbols, contexts).own(True))
        lanes, chunk = stream.layout(count)
        tolerance = 1 if lanes == 1 else 5 * (count // chunk + 1) ** 0.5
        assert escapes == 0
        assert abs(stream.size(spent, count) - len(coded(symbols, contexts, tables))) <= tolerance


def test_one_lane_costs_two_bytes_more_than_the_entropy_and_chunks_little():
    for count, most in ((64, 2.0), (4000, 2.0), (2**20, 650.0)):
        symbols, contexts = dithered(count, 1.0)
        tables = tables_of(symbols, contexts)
        spent, _ = tables.spent(Survey.of(symbols, contexts).own(True))
        assert len(coded(symbols, contexts, tables)) <= spent / 2**23 + most


def test_any_number_of_threads_gives_the_same():
    symbols, contexts = dithered(2**18, 1.0)
    tables = tables_of(symbols, contexts)
    expected = coded(symbols, contexts, tables)
    for count in (1, 2, 5):
        with use_threads(count):
            assert np.array_equal(coded(symbols, contexts, tables), expected)
            assert np.array_equal(stream.take(expected, len(symbols), contexts, tables), symbols)


def test_several_python_threads_may_code_at_once():
    symbols, contexts = dithered(2**18, 1.0)
    tables = tables_of(symbols, contexts)
    expected, wrong = coded(symbols, contexts, tables), []

    def work():
        with use_threads(2):
            for _ in range(3):
                same = np.array_equal(coded(symbols, contexts, tables), expected)
                if not same or not np.array_equal(stream.take(expected, len(symbols), contexts, tables), symbols):
                    wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.parametrize("count", [9000, stream.CHUNK + 9])
def test_every_truncation_and_every_other_count_is_refused(count):
    """Not so for one lane, where almost any bytes are a message: there the frame's checksum stands guard."""
    symbols, contexts = dithered(count, 1.0)
    tables = tables_of(symbols, contexts)
    data = coded(symbols, contexts, tables)
    for end in range(0, len(data), max(1, len(data) // 200)):
        with pytest.raises(WireError):
            stream.take(data[:end], count, contexts, tables)
    for other in (8192, count - 1, count + 1, 2 * count, 5 * count):
        with pytest.raises(WireError):
            stream.take(data, other, np.resize(contexts, other), tables)


@pytest.mark.parametrize("count", [1, 7, 300, 9000, stream.CHUNK + 9])
@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_any_bytes_give_symbols_or_wire_error(count, backend):
    generator = np.random.default_rng(count)
    symbols, contexts = dithered(count, 1.0)
    tables = tables_of(symbols, contexts)
    data = coded(symbols, contexts, tables)
    with use(backend):
        for _ in range(40 if backend == "numba" else 5):
            damaged = data.copy()
            places = generator.integers(0, len(data), 2)
            damaged[places] = generator.integers(0, 256, 2)
            noise = generator.integers(0, 256, generator.integers(0, 2 * len(data) + 9)).astype(np.uint8)
            for trial in (damaged, noise):
                try:
                    assert len(stream.take(trial, count, contexts, tables)) == count
                except WireError:
                    continue


def test_contexts_that_the_receiver_does_not_have_are_missed():
    symbols, contexts = dithered(3000, 1.0)
    tables = tables_of(symbols, contexts)
    with pytest.raises(WireError, match="contexts"):
        stream.take(coded(symbols, contexts, tables), 3000, NONE, tables)
