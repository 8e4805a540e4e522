"""Tables in the stream: what both ends make of them is the same, near the counts, and short."""

import numpy as np
import pytest

from fedkd_compression import WireError
from fedkd_compression.codecs import histogram
from fedkd_compression.codecs.logarithms import BIT, costs, logarithms, powers
from fedkd_compression.codecs.survey import Survey
from fedkd_compression.kernels import use
from tests.compression.codecs.samples import NONE, dithered, rounded

SAMPLES = {
    "one symbol": np.full(5, -3, np.int32),
    "two far apart": np.array([-127, 127] * 40, np.int32),
    "a rare one": np.where(np.arange(10**5) == 7, 1, 0).astype(np.int32),
    "only escapes": np.full(9, 10**6, np.int32),
    "wide": rounded(5000, 60),
    "ordinary": rounded(3000, 1.5),
}


def _best(symbols, contexts=NONE, steps=4):
    return histogram.best(Survey.of(symbols, contexts).own(len(contexts) > 0), steps)


@pytest.mark.parametrize("steps", [2, 4, 8, 16])
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("shared", [False, True])
def test_it_comes_back_with_the_same_tables(name, shared, steps):
    symbols = SAMPLES[name]
    contexts = np.arange(len(symbols)).astype(np.uint8) % 16 if shared else NONE
    best = _best(symbols, contexts, steps)
    data = np.frombuffer(best.histogram.put(best.k) + b"rest", np.uint8)
    for backend in ("numba", "numpy"):
        with use(backend):
            read, used, whole = histogram.take(data, steps)
            assert (used, whole) == (len(data) - 4, False)
            assert np.array_equal(read.tables().frequencies, best.tables.frequencies)
    assert abs(best.size - used) <= 2


@pytest.mark.parametrize("name", SAMPLES)
def test_every_symbol_has_a_frequency_or_is_an_escape(name):
    survey = Survey.of(SAMPLES[name], NONE)
    best = _best(SAMPLES[name])
    assert (best.tables.frequencies.sum(axis=1) == 2**12).all()
    missing = survey.total[best.tables.frequencies[0] == 0].sum()
    assert missing == 0 or best.tables.escapes


def test_whether_the_stream_is_whole_is_said():
    best = _best(SAMPLES["ordinary"])
    for whole in (False, True):
        assert histogram.take(np.frombuffer(best.histogram.put(best.k, whole), np.uint8), 4)[2] == whole


def test_finer_steps_are_nearer_to_the_counts():
    symbols = rounded(10**6, 2.0)
    own = Survey.of(symbols, NONE).own(False)
    share = own[0] / own.sum()
    entropy = -(own[0] * np.log2(np.maximum(share, 1e-12))).sum()
    losses = [_best(symbols, NONE, steps).tables.spent(own)[0] / BIT / entropy - 1 for steps in (2, 4, 8, 16)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] < 0.006
    assert losses[-1] < 0.0005


def test_few_symbols_get_few_tables_and_few_bytes():
    best = [_best(*dithered(count, 1.0), histogram.steps_of(count)) for count in (100, 3000, 2**19)]
    tables = [len(found.histogram.grades) for found in best]
    assert tables == sorted(tables)
    assert tables[0] < tables[-1] == 8
    assert best[0].size < 8
    assert best[-1].size < 60


def test_contexts_pay_at_a_low_rate():
    symbols, contexts = dithered(200_000, 2.5)
    with_contexts = _best(symbols, contexts).tables.spent(Survey.of(symbols, contexts).own(True))[0]
    without = _best(symbols).tables.spent(Survey.of(symbols, NONE).own(False))[0]
    assert with_contexts < 0.85 * without


def test_a_cut_and_grades_that_do_not_exist_are_refused():
    best = _best(SAMPLES["ordinary"])
    data = np.frombuffer(best.histogram.put(best.k), np.uint8)
    for end in range(len(data)):
        with pytest.raises(WireError):
            histogram.take(data[:end], 4)
    # The first difference is upwards from the grade of what does not occur.
    with pytest.raises(WireError, match="do not exist"):
        histogram.take(np.array([0x10, 127, 0, 0, 0b10], np.uint8), 4)


@pytest.mark.parametrize("head", [[5, 0, 0], [7, 0, 0], [0, 200, 55], [0, 255, 255]])
def test_a_head_that_nobody_writes_is_refused(head):
    with pytest.raises(WireError, match="valid table"):
        histogram.take(np.array(head + [255] * 50, np.uint8), 4)


def test_any_bytes_give_tables_or_wire_error():
    generator = np.random.default_rng(0)
    for _ in range(500):
        data = generator.integers(0, 256, generator.integers(0, 80)).astype(np.uint8)
        data[:1] &= 0x3F
        data[1:3] &= 0x3F
        data[3:] |= generator.integers(0, 256, len(data[3:])).astype(np.uint8)
        try:
            read, used, _ = histogram.take(data, 4)
        except WireError:
            continue
        assert used <= len(data)
        assert (read.tables().frequencies.sum(axis=1) == 2 ** (11 if read.mirrored else 12)).all()


def test_logarithms_and_powers_in_whole_numbers():
    numbers = np.arange(1, 2**14 + 1)
    assert np.abs(logarithms()[1:] / BIT - np.log2(numbers)).max() < 2 / BIT
    assert np.abs(costs(11)[1:] / BIT - (11 - np.log2(numbers[: 2**11]))).max() < 2 / BIT
    exponents = np.arange(256)
    assert np.abs(powers(exponents) - 2.0 ** (24 - exponents / 16)).max() <= 1
