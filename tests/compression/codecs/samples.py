"""Symbols for the tests of codecs, and an independent coder to hold them against."""

import constriction
import numpy as np

NONE = np.empty(0, np.uint8)


def rounded(count, spread, seed=0):
    """Rounded normal numbers, int32 [count]."""
    return np.rint(np.random.default_rng(seed).normal(0, spread, count)).astype(np.int32)


def dithered(count, step, seed=1, draw=np.random.Generator.standard_normal):
    """Symbols of subtractive dither, int32 [count], and the sixteenth of the interval in which the dither was."""
    generator = np.random.default_rng(seed)
    u = generator.random(count) - 0.5
    row = draw(generator, size=count)
    row /= max(np.sqrt(np.mean(np.square(row))), 1e-9)
    return np.rint(row / step + u).astype(np.int32), np.floor((u + 0.5) * 16).astype(np.uint8)


def independent_bytes(symbols):
    """Bytes of constriction's ANS coder with the symbols' own frequencies as its model."""
    values, inverse = np.unique(symbols, return_inverse=True)
    frequencies = np.bincount(inverse).astype(np.float32)
    entropy_model = constriction.stream.model.Categorical(frequencies / frequencies.sum(), perfect=False)
    coder = constriction.stream.stack.AnsCoder()
    coder.encode_reverse(inverse.astype(np.int32), entropy_model)
    assert len(values) > 1
    return 4 * len(coder.get_compressed())
