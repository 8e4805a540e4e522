"""The same symbols through an independent ANS coder, constriction, where it is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fedkd_compression.arrays import Octets, Symbols


def independent_bits(symbols: Symbols, contexts: Octets | None) -> float | None:
    """Bits of all symbols, coded with their own frequencies as the model: a model a context where there are contexts.

    The models are not counted. None where constriction is not installed.
    """
    if find_spec("constriction") is None:
        return None
    if contexts is None:
        return _bits(symbols)
    return sum(_bits(symbols[contexts == context]) for context in np.unique(contexts))


def _bits(symbols: Symbols) -> float:
    import constriction

    values, indices = np.unique(symbols, return_inverse=True)
    if len(values) < 2:
        return 0.0
    shares = np.bincount(indices) / len(indices)
    model = constriction.stream.model.Categorical(shares.astype(np.float32), perfect=False)
    coder = constriction.stream.stack.AnsCoder()
    coder.encode_reverse(indices.astype(np.int32), model)
    return 32.0 * len(coder.get_compressed())
