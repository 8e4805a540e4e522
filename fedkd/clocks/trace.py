"""Recorded times: a CSV file says how long each client computes in each round, and perhaps how fast its link is.

    client_id,round,seconds,mbit_up,mbit_down
    0,0,12.5,8,40
    0,1,13.1,6.5,
    1,0,40.2,,

The last two columns may be missing, or empty: then the configured bandwidth holds.
Rows may stand in any order. The run's clients and rounds need not be those of the file: client i without rows of its
own takes those of the (i mod n)-th of the file's n clients in ascending order, and round k without a row the (k mod
m)-th of that client's m rounds in ascending order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedkd.clocks.latency import Floats, Ints, Latency, transfer
from fedkd.clocks.trace_file import Rows, read
from fedkd.data.bounds import positive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Seconds = NDArray[np.float64]
    Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Trace(Latency):
    """compute = the seconds of the file, whatever the work; bytes take their time as in ``Constant``.

    Args:
        path: of the file.
        mbit_up: million bits a second from a client where the file does not say it, > 0.
        mbit_down: million bits a second to a client where the file does not say it, > 0.
    """

    path: str
    mbit_up: float
    mbit_down: float

    def __post_init__(self) -> None:
        positive(self, "mbit_up")
        positive(self, "mbit_down")

    def check(self) -> None:
        """Read the file; the first line that is wrong is named."""
        assert self.table is not None

    @cached_property
    def table(self) -> Table:
        """The file's content, read once."""
        return Table.of(read(Path(self.path).expanduser()))

    def seconds(self, round_: int, clients: Ints, work: Floats, bytes_down: Ints, bytes_up: Ints, seed: int) -> Seconds:
        """Receiving, computing, sending, one after another."""
        compute, up, down = self.table.of_round(round_, np.asarray(clients, dtype=np.int64))
        up, down = (np.where(np.isnan(own), mbit, own) for own, mbit in ((up, self.mbit_up), (down, self.mbit_down)))
        seconds: Seconds = transfer(bytes_down, down) + compute + transfer(bytes_up, up)
        return seconds


@dataclass(frozen=True)
class Table:
    """A trace's rows, by client and then by round.

    Args:
        clients: distinct, ascending [n].
        starts: the first row of each, and the number of rows at the end [n + 1].
        rounds: of each row [rows].
        values: seconds, mbit_up and mbit_down of each row, NaN for a bandwidth that is not said [3, rows].
    """

    clients: Indices
    starts: Indices
    rounds: Indices
    values: Seconds

    @staticmethod
    def of(rows: Rows) -> Table:
        """Sorted; there is at least one row."""
        order = np.lexsort((rows.rounds, rows.clients))
        clients, first = np.unique(rows.clients[order], return_index=True)
        starts = np.append(first, len(order)).astype(np.int64)
        return Table(clients, starts, rows.rounds[order], rows.values[:, order])

    def of_round(self, round_: int, clients: Indices) -> Seconds:
        """What the file says of each client in a round [3, K]."""
        place = np.searchsorted(self.clients, clients).clip(max=len(self.clients) - 1)
        place = np.where(self.clients[place] == clients, place, clients % len(self.clients))
        first, count = self.starts[place], self.starts[place + 1] - self.starts[place]
        row = first + round_ % count
        own = np.flatnonzero(self.rounds == round_)
        if len(own):
            # At most one row a client; the first at or after a client's first row is its own, or another's.
            found = own[np.searchsorted(own, first).clip(max=len(own) - 1)]
            row = np.where((found >= first) & (found < first + count), found, row)
        said: Seconds = self.values[:, row]
        return said
