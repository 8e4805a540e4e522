"""Tables that both ends have before the first message."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from fedkd_compression.codecs import histogram
from fedkd_compression.codecs.logarithms import FINEST
from fedkd_compression.codecs.survey import NONE, Survey
from fedkd_compression.errors import OperatorError, WireError
from fedkd_compression.kernels.portable.counts import CELLS, OTHERS, REACH

if TYPE_CHECKING:
    from fedkd_compression.arrays import Counts, Octets, Symbols
    from fedkd_compression.codecs.tables import Tables

_SAMPLE_WEIGHT = 4
"""How much more a symbol of the sample counts than the little that others get."""


@dataclass(frozen=True)
class StaticModel:
    """How often symbols occur, agreed beforehand: no message needs a table; any symbol can be coded.

    It is a value: hashable, equal where the text is, and its repr may be part of a fingerprint.

    Args:
        text: the tables, as ``fit`` writes them.

    Raises:
        OperatorError: the text is none that ``fit`` writes.

    Example:
        >>> model = StaticModel.fit(np.array([0, 0, 1, -1, 0, 2], np.int32))
        >>> decode_symbols(encode_symbols(symbols, None, shared=model), len(symbols), None, shared=model)
    """

    text: str

    def __post_init__(self) -> None:
        try:
            _tables(self.text)
        except (ValueError, WireError) as error:
            raise OperatorError(f"StaticModel: text={self.text!r} is no model ({error}); make one with fit") from None

    @staticmethod
    def fit(symbols: Symbols, contexts: Octets | None = None) -> StaticModel:
        """The model of sample symbols, int8 or int32 [m], with m > 0.

        Args:
            symbols: what messages will be like. Cells up to half a width beyond them, and escapes, get a little.
            contexts: uint8 [m] in 0 .. 15, as ``Operator.contexts`` gives them; then messages need them, too.

        Raises:
            OperatorError: no symbols, or contexts of another number.
        """
        if len(symbols) == 0:
            raise OperatorError("StaticModel: no symbols to fit; give at least one")
        survey = Survey.of(np.ascontiguousarray(symbols), NONE if contexts is None else contexts)
        own = _SAMPLE_WEIGHT * survey.own(len(survey.contexts) > 0)
        own[:, _reached(own.sum(axis=0))] += 1
        best = histogram.best(own, FINEST)
        return StaticModel(urlsafe_b64encode(best.histogram.put(best.k)).decode().rstrip("="))

    @property
    def tables(self) -> Tables:
        """The tables."""
        return _tables(self.text)


def _reached(total: Counts) -> Counts:
    """Cells that get a little: from half a width below the symbols to half a width above, and that of the escapes."""
    present = np.flatnonzero(total[np.arange(-REACH, REACH + 1)]) - REACH
    low, high = (int(present[0]), int(present[-1])) if len(present) else (0, 0)
    margin = (high - low) // 2 + 1
    return np.append(np.arange(max(low - margin, -REACH), min(high + margin, REACH) + 1) % CELLS, OTHERS)


@lru_cache(maxsize=16)
def _tables(text: str) -> Tables:
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    model, used, whole = histogram.take(np.frombuffer(data, np.uint8), FINEST)
    tables = model.tables()
    if used != len(data) or whole or not tables.frequencies[:, OTHERS].all():
        raise ValueError("trailing bytes, or a table without an escape")
    return tables
