"""What is compared: a row of the table of algorithms with its two links, read from the framework's configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from fedkd.algorithms import Row
from fedkd.compose import compose
from fedkd.configuration import Settings
from fedkd.links import Link
from fedkd_compression import Identity, Key, Operator, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Lengths = NDArray[np.int64]
    Measure = Callable[[Operator, Tensor, Key], tuple[Lengths, Tensor]]


def measured(operator: Operator, rows: Tensor, key: Key) -> tuple[Lengths, Tensor]:
    """Bytes of the frames of rows [K, d], and the rows as received."""
    lengths, received = measure(operator, rows, key)
    return lengths.total, received


@dataclass(frozen=True)
class Method:
    """An algorithm with its links.

    Args:
        label: in tables and figures.
        row: of the table of algorithms.
        measure: how a message's bytes are counted, where it is not this library's coder.
    """

    label: str
    row: Row
    uplink: Link
    downlink: Link
    measure: Measure = measured


def method(label: str, overrides: Sequence[str], measure: Measure = measured) -> Method:
    """From the framework's configuration, e.g. ``["algorithm=mcm", "uplink=qsgd"]``; clients count alike.

    Raises:
        ConfigurationError: no such algorithm, operator or value.
    """
    settings = _settings(tuple(overrides))
    return Method(label, settings.algorithm, settings.uplink, settings.downlink, measure)


@cache
def _settings(overrides: tuple[str, ...]) -> Settings:
    """Composed once: a figure asks for each algorithm under every operator and participation."""
    return Settings.of(compose(["task=least_squares", *overrides, "algorithm.weights=uniform"]))


IDENTITY = Identity()
