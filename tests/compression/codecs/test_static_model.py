"""A model that both ends have: no table is sent, and any symbol can be."""

from base64 import urlsafe_b64encode
from contextlib import suppress

import numpy as np
import pytest

from fedkd_compression import OperatorError, WireError
from fedkd_compression.codecs import StaticModel, decode_symbols, encode_symbols, histogram
from fedkd_compression.codecs.choice import SHARED, SHARED_ESCAPES
from tests.compression.codecs.samples import dithered, independent_bytes, rounded


def _bimodal(count, seed):
    """Symbols near -20 and 20: no parametric tables are like them."""
    generator = np.random.default_rng(seed)
    centre = np.where(generator.random(count) < 0.5, -20, 20)
    return np.rint(generator.normal(centre, 1.0)).astype(np.int32)


def _round_trip(symbols, model, contexts=None):
    coded = encode_symbols(symbols, contexts, shared=model)
    decoded = decode_symbols(np.frombuffer(coded, np.uint8), len(symbols), contexts, shared=model)
    assert np.array_equal(decoded, symbols)
    return coded


def test_it_is_a_value_with_a_short_text():
    model = StaticModel.fit(_bimodal(10_000, 0))
    assert model == StaticModel(model.text) == eval(repr(model), {"StaticModel": StaticModel})  # noqa: S307
    assert hash(model) == hash(StaticModel(model.text))
    assert len(repr(model)) < 150
    assert model != StaticModel.fit(_bimodal(10_000, 0) + 1)


@pytest.mark.parametrize("count", [30, 300, 3000])
def test_no_table_is_sent(count):
    model, symbols = StaticModel.fit(_bimodal(100_000, 0)), _bimodal(count, 1)
    coded = _round_trip(symbols, model)
    assert coded[0] == SHARED
    assert len(coded) < len(encode_symbols(symbols, None)) - 6
    share = np.exp(-0.5 * (np.arange(-8, 9)) ** 2)
    share /= share.sum()
    entropy = 1 - (share * np.log2(share)).sum()
    assert 8 * len(coded) < count * entropy * 1.02 + 16 + 4 * count**0.5


def test_within_one_percent_of_an_independent_coder_with_the_symbols_own_frequencies():
    model, symbols = StaticModel.fit(_bimodal(300_000, 0)), _bimodal(300_000, 1)
    assert len(_round_trip(symbols, model)) <= 1.01 * independent_bytes(symbols)


def test_symbols_that_the_sample_did_not_have_escape():
    symbols = _bimodal(1000, 1)
    symbols[[5, 6, 900]] = [2**31 - 1, -(2**31), 127]
    assert _round_trip(symbols, StaticModel.fit(_bimodal(10_000, 0)))[0] == SHARED_ESCAPES


def test_contexts_are_part_of_it():
    sample, symbols = dithered(50_000, 2.5, seed=3), dithered(700, 2.5, seed=4)
    model = StaticModel.fit(*sample)
    coded = _round_trip(symbols[0], model, lambda: symbols[1])
    assert len(coded) <= len(_round_trip(symbols[0], StaticModel.fit(sample[0]), lambda: symbols[1]))
    with pytest.raises(OperatorError, match="fit without"):
        encode_symbols(symbols[0], None, shared=model)
    shared_code = np.frombuffer(bytes((SHARED,)) + coded[1:], np.uint8)
    with pytest.raises(WireError, match="contexts"):
        decode_symbols(shared_code, 700, None, shared=model)


def test_another_code_is_taken_where_it_is_shorter():
    model = StaticModel.fit(_bimodal(10_000, 0))
    assert _round_trip(rounded(500, 2.0), model)[0] not in (SHARED, SHARED_ESCAPES)


def test_a_receiver_without_it_says_so():
    coded = _round_trip(_bimodal(100, 1), StaticModel.fit(_bimodal(10_000, 0)))
    with pytest.raises(WireError, match="shared model, which this end does not have"):
        decode_symbols(np.frombuffer(coded, np.uint8), 100, None)


def test_a_receiver_with_another_one_gets_something_or_wire_error():
    coded = np.frombuffer(_round_trip(_bimodal(100, 1), StaticModel.fit(_bimodal(10_000, 0))), np.uint8)
    with suppress(WireError):
        assert len(decode_symbols(coded, 100, None, shared=StaticModel.fit(rounded(1000, 3.0)))) == 100


@pytest.mark.parametrize("text", ["", "!", "AAAA", "f39_", "AH8AAA"])
def test_a_text_that_is_no_model_is_refused(text):
    with pytest.raises(OperatorError, match="make one with fit"):
        StaticModel(text)


def test_a_model_whose_escape_never_occurs_is_refused():
    """Another symbol would be decoded in the place of an escape."""
    own = np.zeros((8, 256), np.int64)
    own[:, 0] = 50_000
    own[4:, 128] = 30_000
    best = histogram.best(own, 16)
    assert len(best.histogram.grades) > 1
    text = urlsafe_b64encode(best.histogram.put(best.k)).decode().rstrip("=")
    with pytest.raises(OperatorError, match="without an escape"):
        StaticModel(text)


def test_a_model_of_nothing_is_refused():
    with pytest.raises(OperatorError, match="no symbols"):
        StaticModel.fit(np.empty(0, np.int32))
    with pytest.raises(OperatorError, match="one for each symbol"):
        StaticModel.fit(np.zeros(5, np.int32), np.zeros(4, np.uint8))


def test_one_symbol_and_huge_symbols_can_be_a_sample():
    for sample in (np.full(10, 3, np.int8), np.full(10, 10**6, np.int32)):
        _round_trip(rounded(40, 2.0), StaticModel.fit(sample))
