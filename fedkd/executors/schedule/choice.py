"""How clients come to workers: a configured value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Schedule:
    """How clients come to workers within a round, where not every worker can read every client's state.

    Args:
        placement: "sticky": a client stays with the worker, or the host, that trained it first; "matching": before
            each round clients are matched with workers, and states move where that ends the round earlier.
    """

    placement: Literal["sticky", "matching"]


STICKY = Schedule("sticky")
