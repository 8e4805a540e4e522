"""Reading a trace's CSV file; what is wrong with it is said in one line that names the line."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from fedkd.errors import ConfigurationError
from fedkd.keys import EVERYONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = ("client_id", "round", "seconds")


@dataclass(frozen=True)
class Rows:
    """The rows of a file, in its order.

    Args:
        clients: of each row, int64.
        rounds: of each row, int64.
        seconds: of each row, float64, finite, >= 0.
    """

    clients: NDArray[np.int64]
    rounds: NDArray[np.int64]
    seconds: NDArray[np.float64]


def read(path: Path) -> Rows:
    """All rows of a trace.

    Raises:
        ConfigurationError: there is no such file, its columns are others, it has no rows, a value is out of range, or a
            client's round occurs twice.
    """
    if not path.is_file():
        raise ConfigurationError(f"Trace: {path} is missing; set latency.path to a CSV file of {','.join(COLUMNS)}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            rows = _distinct(path, _rows(path, lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"Trace: {path} cannot be read ({error}); give a CSV file in UTF-8") from None
    if not rows:
        raise ConfigurationError(f"Trace: {path} has no rows; give lines of {','.join(COLUMNS)}")
    clients, rounds = np.array(list(rows), dtype=np.int64).T
    return Rows(clients, rounds, np.array(list(rows.values())))


def _rows(path: Path, lines: Iterator[list[str]]) -> Iterator[tuple[int, int, int, float]]:
    """Line, client, round and seconds of every row; empty lines are passed over."""
    header = tuple(word.strip() for word in next(lines, ()))
    if header != COLUMNS:
        _refuse(path, 1, f"has the columns {','.join(header)!r}", f"name them {','.join(COLUMNS)}")
    for line, row in enumerate(lines, 2):
        if row:
            yield line, *_numbers(path, line, row)


def _distinct(path: Path, rows: Iterator[tuple[int, int, int, float]]) -> dict[tuple[int, int], float]:
    found: dict[tuple[int, int], float] = {}
    for line, client, round_, seconds in rows:
        if (client, round_) in found:
            _refuse(path, line, f"tells of client {client}, round {round_} again", "keep one")
        found[client, round_] = seconds
    return found


def _numbers(path: Path, line: int, row: Sequence[str]) -> tuple[int, int, float]:
    if len(row) != len(COLUMNS):
        _refuse(path, line, f"has {len(row)} values, not {len(COLUMNS)}", f"give {','.join(COLUMNS)}")
    client, round_ = (_whole(path, line, name, text) for name, text in zip(COLUMNS, row[:2], strict=False))
    try:
        seconds = float(row[2])
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        _refuse(path, line, f"has seconds={row[2].strip()}, which is not in [0, inf)", "give a number of seconds")
    return client, round_, seconds


def _whole(path: Path, line: int, name: str, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < EVERYONE:
        _refuse(path, line, f"has {name}={text.strip()}, which is no integer in [0, 2^32 - 1)", "count from 0")
    return value


def _refuse(path: Path, line: int, fault: str, fix: str) -> NoReturn:
    raise ConfigurationError(f"Trace: {path}, line {line} {fault}; {fix}")
