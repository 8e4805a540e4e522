"""Reading a trace's CSV file; what is wrong with it is said in one line that names the line."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from fedkd.errors import ConfigurationError
from fedkd.keys import EVERYONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS, LINKS = ("client_id", "round", "seconds"), ("mbit_up", "mbit_down")
"""What every file has, and what may follow in either order."""
_NAMES, _MAY = ",".join(COLUMNS), ",".join(LINKS)


@dataclass(frozen=True)
class Rows:
    """The rows of a file, in its order.

    Args:
        clients: of each row, int64.
        rounds: of each row, int64.
        values: float64 [3, rows]: seconds >= 0, then mbit_up and mbit_down > 0, NaN where the file does not say it.
    """

    clients: NDArray[np.int64]
    rounds: NDArray[np.int64]
    values: NDArray[np.float64]


def read(path: Path) -> Rows:
    """All rows of a trace.

    Raises:
        ConfigurationError: there is no such file, its columns are others, it has no rows, a value is out of range, or a
            client's round occurs twice.
    """
    if not path.is_file():
        raise ConfigurationError(f"Trace: {path} is missing; set latency.path to a CSV file of {_NAMES}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            rows = _distinct(path, _rows(path, lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"Trace: {path} cannot be read ({error}); give a CSV file in UTF-8") from None
    if not rows:
        raise ConfigurationError(f"Trace: {path} has no rows; give lines of {_NAMES}")
    clients, rounds = np.array(list(rows), dtype=np.int64).T
    return Rows(clients, rounds, np.array(list(rows.values())).T)


Values = tuple[float, float, float]
"""Seconds, mbit_up and mbit_down of a row."""


def _rows(path: Path, lines: Iterator[list[str]]) -> Iterator[tuple[int, int, int, Values]]:
    """Line, client, round and values of every row; empty lines are passed over."""
    header = tuple(word.strip() for word in next(lines, ()))
    more = header[len(COLUMNS) :]
    if header[: len(COLUMNS)] != COLUMNS or not set(more) <= set(LINKS) or len(set(more)) < len(more):
        _refuse(path, 1, f"has the columns {','.join(header)!r}", f"name them {_NAMES}, and perhaps {_MAY}")
    for line, row in enumerate(lines, 2):
        if row and len(row) != len(header):
            _refuse(path, line, f"has {len(row)} values, not {len(header)}", f"give {','.join(header)}")
        if row:
            yield line, *_numbers(path, line, dict(zip(header, row, strict=True)))


def _distinct(path: Path, rows: Iterator[tuple[int, int, int, Values]]) -> dict[tuple[int, int], Values]:
    found: dict[tuple[int, int], Values] = {}
    for line, client, round_, values in rows:
        if (client, round_) in found:
            _refuse(path, line, f"tells of client {client}, round {round_} again", "keep one")
        found[client, round_] = values
    return found


def _numbers(path: Path, line: int, row: Mapping[str, str]) -> tuple[int, int, Values]:
    client, round_ = (_whole(path, line, name, row[name]) for name in COLUMNS[:2])
    seconds = _number(row["seconds"])
    if not 0 <= seconds < math.inf:
        _refuse(
            path, line, f"has seconds={row['seconds'].strip()}, which is not in [0, inf)", "give a number of seconds"
        )
    up, down = (_link(path, line, name, row.get(name, "").strip()) for name in LINKS)
    return client, round_, (seconds, up, down)


def _link(path: Path, line: int, name: str, text: str) -> float:
    """Million bits a second; NaN where nothing stands there."""
    mbit = _number(text)
    if text and not 0 < mbit < math.inf:
        _refuse(path, line, f"has {name}={text}, which is not in (0, inf)", "give million bits a second, or nothing")
    return mbit


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


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
