"""What a round's updates add up to at the server, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fedkd.algorithms.totals import Totals
from fedkd.messages import Message

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.algorithms.uplinks import UplinkState


@dataclass(frozen=True)
class Collected:
    """The updates that count, added; the memories of the others have not moved.

    Args:
        replies: that count, in the order of clients; receipts where workers have added them.
        uplink: the server's end of all uplinks after them.
        beside: what came beside them, added; None where nothing does.
        refused: clients whose updates did not pass the gate, and why.
        remarks: what is to be said of those that passed.
    """

    replies: Sequence[Message]
    totals: Totals
    uplink: UplinkState
    beside: Tensor | None = None
    refused: Mapping[int, str] = field(default_factory=dict)
    remarks: Mapping[int, str] = field(default_factory=dict)

    @property
    def clients(self) -> list[int]:
        """Whose updates count."""
        return [reply.client for reply in self.replies]
