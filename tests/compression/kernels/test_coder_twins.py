"""The coder's compiled kernels give exactly what the portable ones give."""

import numpy as np
import pytest

from fedkd_compression.codecs import histogram, parametric
from fedkd_compression.codecs.logarithms import costs, logarithms
from fedkd_compression.codecs.tables import precision_of
from fedkd_compression.kernels import compiled, portable
from tests.compression.codecs.samples import NONE, dithered

LAYOUTS = [
    (1, 1, 1),
    (2, 1, 2),
    (37, 1, 37),
    (37, 4, 40),
    (1000, 4, 100),
    (1001, 4, 1004),
    (4099, 4, 512),
    (999, 1, 100),
]


def same(name, *arguments):
    """What both sets give, which is equal in values and types."""
    one, other = getattr(compiled, name)(*arguments), getattr(portable, name)(*arguments)
    pairs = zip(one, other, strict=True) if isinstance(one, tuple) else ((one, other),)
    for left, right in pairs:
        np.testing.assert_array_equal(left, right, strict=isinstance(left, np.ndarray))
    return one


def sample(count, step, shared):
    """Narrow symbols, contexts, and their counts as tables see them."""
    symbols, contexts = dithered(count, step)
    narrow, known = same("narrowed", symbols), contexts if shared else NONE
    counts = same("count", narrow, known)
    mirrored = counts[:7:-1, -np.arange(256)]
    return narrow, known, counts[:8] + mirrored if shared else counts[:1]


@pytest.mark.parametrize("dtype", [np.int8, np.int32])
def test_narrowed(dtype):
    symbols = np.array([0, 1, -1, 127, -127, -128, 5, 100], dtype)
    assert same("narrowed", symbols).tolist() == [0, 1, -1, 127, -127, -128, 5, 100]
    if dtype == np.int32:
        wide = np.array([128, -129, 2**31 - 1, -(2**31), 255, -256, 300], np.int32)
        assert (same("narrowed", wide) == -128).all()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("count", [0, 1, 5000, 8192, 300_000])
def test_counts(count, shared):
    generator = np.random.default_rng(0)
    symbols = generator.integers(-128, 128, count).astype(np.int8)
    contexts = generator.integers(0, 256, count if shared else 0).astype(np.uint8)
    counts = same("count", symbols, contexts)
    assert counts.shape == (16, 256)
    assert counts.sum() == count
    for symbol in (-128, -127, -1, 0, 1, 127):
        assert counts[:, symbol % 256].sum() == (symbols == symbol).sum()
    if shared:
        assert counts.sum(axis=1).tolist() == np.bincount(contexts & 15, minlength=16).tolist()


@pytest.mark.parametrize("others", [[], [1000], [-(2**31), 2**31 - 1, 128, -128]])
def test_summary(others):
    wide = np.array(others, np.int32)
    for step in (0.02, 0.3, 2.0):
        _, _, own = sample(2000, step, False)
        least, most, k, size = same("summary", own[0], wide)
        assert least <= min(others, default=0)
        assert most >= max(others, default=0)
        assert 0 <= k < 32
        assert size > 0


def test_outside():
    generator = np.random.default_rng(1)
    for _ in range(60):
        count = int(generator.integers(1, 3000))
        symbols = np.rint(generator.normal(0, generator.choice([0.3, 3, 30]), count)).clip(-128, 127).astype(np.int8)
        contexts, covered = generator.integers(0, 16, count).astype(np.uint8), np.zeros((16, 256), np.uint8)
        for row in covered:
            low, high = sorted(generator.integers(-60, 60, 2))
            row[np.arange(low, high)] = 1
        same("outside", symbols, contexts, covered, count)
        same("outside", symbols, NONE, covered[:1], count)
        same("outside", symbols, contexts, covered, count // 3)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("step", [0.02, 0.3, 1.0, 2.5, 20.0])
@pytest.mark.parametrize("count", [1, 5, 64, 1000, 30_000])
def test_what_the_choice_needs(count, step, shared):
    precision = precision_of(shared)
    _, _, own = sample(count, step, shared)
    for steps in (2, 4, 8, 16):
        weights = histogram._weights(steps, shared)[:-1]
        _, _, grades, table, k, bits = same("fitted", own, steps, precision, logarithms(), weights)
        code = same("grades_put", grades, k, precision * steps + 1)
        assert len(code) - 1 <= -(-bits // 8) <= len(code)
        longer = np.concatenate((code, np.full(3, 7, np.uint8)))
        read, used = same("grades_take", longer, *grades.shape, k, precision * steps + 1)
        assert used == len(code)
        np.testing.assert_array_equal(read, grades)
        same("spent", own, table, costs(precision))
    same("cheapest", own, parametric._costs(shared))


def test_grades_of_any_bytes():
    generator = np.random.default_rng(2)
    found = 0
    for _ in range(2000):
        data = generator.integers(0, 256, generator.integers(0, 60)).astype(np.uint8)
        data |= generator.integers(0, 256, len(data)).astype(np.uint8)
        arguments = (
            data,
            int(generator.choice([1, 2, 4, 8])),
            int(generator.integers(1, 30)),
            int(generator.integers(16)),
            45,
        )
        one, other = compiled.grades_take(*arguments), portable.grades_take(*arguments)
        assert (one is None) == (other is None)
        if one is not None:
            found += 1
            np.testing.assert_array_equal(one[0], other[0], strict=True)
            assert one[1] == other[1]
    assert 20 < found < 1900


COUNTS = {
    "one symbol": [[5]],
    "an empty table": [[0, 0, 0], [1, 2, 3]],
    "a rare symbol": [[10**9, 1, 0]],
    "many rare symbols": [[10**9] + [1] * 200],
    "as many symbols as cells": [[1] * 256],
    "ordinary": [[3, 50, 900, 47, 0, 2]],
}


@pytest.mark.parametrize("precision", [8, 11, 13])
@pytest.mark.parametrize("name", COUNTS)
def test_frequencies_sum_to_the_total_and_no_symbol_is_lost(name, precision):
    weights = np.zeros((len(COUNTS[name]), 256), np.int64)
    weights[:, : len(COUNTS[name][0])] = COUNTS[name]
    table = same("normalised", weights, precision)
    assert (table.sum(axis=1) == 1 << precision).all()
    assert (table[weights > 0] > 0).all()
    share = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)
    assert np.abs(table / 2**precision - share)[weights.any(axis=1)].max() < 201 / 2**precision


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("count", "lanes", "chunk"), LAYOUTS)
def test_rans(count, lanes, chunk, shared):
    symbols, known, own = sample(count, 0.7, shared)
    for tables in (1, 2, 4, 8) if shared else (1,):
        weights = own.reshape(tables, -1, 256).sum(axis=1)
        for precision in (8, 11, 13):
            table = same("normalised", weights, precision)
            entries = same("entries_of", table, precision, shared)
            slots = same("slots_of", table, precision, shared)
            states, sizes, words = same("rans_encode", symbols, known, entries, lanes, chunk)
            padded = np.concatenate((words, np.zeros(4, np.uint16)))
            for kernels in (compiled, portable):
                out = np.empty(count, np.int8)
                assert kernels.rans_decode(padded, sizes, states, *slots, known, chunk, out)
                np.testing.assert_array_equal(out, symbols)


@pytest.mark.parametrize(("lanes", "chunk"), [(1, 500), (4, 500), (4, 100)])
def test_rans_of_changed_words(lanes, chunk):
    generator = np.random.default_rng(4)
    symbols, known, own = sample(500, 1.0, True)
    table = compiled.normalised(own, 11)
    slots = compiled.slots_of(table, 11, True)
    states, sizes, words = compiled.rans_encode(symbols, known, compiled.entries_of(table, 11, True), lanes, chunk)
    padded = np.concatenate((words, np.zeros(4, np.uint16)))
    for _ in range(20):
        changed, others = padded.copy(), states.copy()
        changed[generator.integers(0, len(words))] ^= 1 << generator.integers(0, 16)
        others[generator.integers(0, len(states)), generator.integers(0, lanes)] ^= 1 << generator.integers(0, 31)
        for trial in ((changed, states), (padded, others)):
            out = [np.empty(500, np.int8) for _ in range(2)]
            fine = [
                kernels.rans_decode(trial[0], sizes, trial[1], *slots, known, chunk, room)
                for kernels, room in zip((compiled, portable), out, strict=True)
            ]
            assert fine[0] == fine[1]
            if lanes > 1:
                # One lane has no bits to spare: almost any words are a message.
                assert not fine[0]
            if fine[0]:
                np.testing.assert_array_equal(*out)
