"""Parametric tables: near what they stand for, the same everywhere, and shorter than any other for few symbols."""

import hashlib
import math

import numpy as np
import pytest

from fedkd_compression.codecs import decode_symbols, encode_symbols, parametric
from fedkd_compression.codecs.choice import NAMED, NAMED_ESCAPES, RICE, TABLES
from fedkd_compression.codecs.survey import Survey
from fedkd_compression.codecs.tables import precision_of
from fedkd_compression.kernels import use
from tests.compression.codecs.samples import NONE, dithered, rounded

DIGEST = "cd5cb1ad0aacc4c1557282bd567fb2d7bcee73eb8c82ae2b13824a8892ab1acb"
"""Of all tables; another value means that frames of before cannot be read."""


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_all_tables_are_the_same_on_every_machine(backend):
    seen = hashlib.sha256()
    with use(backend):
        for mirrored in (False, True):
            for name in range(parametric.NAMES):
                # Past the cache, which does not know of backends.
                frequencies = parametric.named.__wrapped__(name, mirrored).frequencies
                assert (frequencies.sum(axis=1) == 1 << precision_of(mirrored)).all()
                assert (frequencies[:, 128] > 0).all()
                seen.update(frequencies.astype("<i8").tobytes())
    assert seen.hexdigest() == DIGEST


def _normal_above(z):
    return 0.5 * math.erfc(z / math.sqrt(2))


@pytest.mark.parametrize("scale", [8, 16, 24])
def test_spread_zero_is_the_normal_distribution_between_the_ends_of_a_symbol(scale):
    sigma = 2.0 ** (scale / 4 - 4)
    for mirrored, shift in ((False, 0.0), (True, -15 / 32)):
        frequencies = parametric.named(scale, mirrored).frequencies[0] / (1 << precision_of(mirrored))
        for symbol in range(-3, 4):
            lower, upper = ((symbol + half - shift) / sigma for half in (-0.5, 0.5))
            expected = _normal_above(lower) - _normal_above(upper)
            if expected > 2**-8:
                assert frequencies[symbol] == pytest.approx(expected, abs=2 ** -(precision_of(mirrored) - 1))


def test_a_wider_spread_has_heavier_tails():
    tails = []
    for spread in range(6):
        frequencies = parametric.named(40 * spread + 16, False).frequencies[0] / 2**12
        tails.append(frequencies[np.arange(4, 60)].sum() + frequencies[128])
    assert tails == sorted(tails)
    assert tails[-1] > 100 * tails[0]


ROWS = {
    "normal": np.random.Generator.standard_normal,
    "laplace": lambda generator, size: generator.laplace(size=size),
    "student": lambda generator, size: generator.standard_t(3, size=size),
}


@pytest.mark.parametrize("step", [1.0, 2.5])
@pytest.mark.parametrize("row", ROWS)
def test_no_named_tables_are_far_from_a_row(row, step):
    symbols, contexts = dithered(2**17, step, draw=ROWS[row])
    own = Survey.of(symbols, contexts).own(True)
    tables = parametric.named(parametric.nearest(own), True)
    spent, escapes = tables.spent(own)
    share = own / own.sum(axis=1, keepdims=True)
    entropy = -(own * np.log2(np.maximum(share, 1e-12))).sum()
    assert spent / 2**20 + 24 * escapes < 1.02 * entropy


def _round_trip(symbols, contexts):
    coded = encode_symbols(symbols, lambda: contexts)
    decoded = decode_symbols(np.frombuffer(coded, np.uint8), len(symbols), lambda: contexts)
    assert np.array_equal(decoded, symbols)
    return coded


@pytest.mark.parametrize("count", [64, 256, 1024])
@pytest.mark.parametrize("row", ROWS)
def test_short_messages_of_dither_name_their_tables(row, count):
    codes = []
    for seed in range(10):
        symbols, contexts = dithered(count, 2.0, seed=seed, draw=ROWS[row])
        codes.append(_round_trip(symbols, contexts)[0])
    named = [code for code in codes if code >= NAMED or code == NAMED_ESCAPES]
    assert len(named) >= 8, f"{codes} of which {RICE} and {TABLES} are others"


@pytest.mark.parametrize(("count", "step", "most"), [(64, 1.0, 20), (64, 2.5, 11), (256, 1.0, 71), (1024, 2.5, 139)])
def test_bytes_of_short_messages(count, step, most):
    sizes = []
    for seed in range(20):
        sizes.append(len(_round_trip(*dithered(count, step, seed=seed))))
    assert np.mean(sizes) <= most


def test_an_outlier_escapes():
    symbols, contexts = dithered(500, 1.0)
    symbols[77] = -5000
    assert _round_trip(symbols, contexts)[0] == NAMED_ESCAPES


def test_they_serve_symbols_without_contexts():
    symbols = rounded(300, 1.3)
    coded = encode_symbols(symbols, None)
    assert coded[0] >= NAMED
    assert np.array_equal(decode_symbols(np.frombuffer(coded, np.uint8), 300, None), symbols)
    assert np.array_equal(decode_symbols(np.frombuffer(coded, np.uint8), 300, lambda: NONE), symbols)
