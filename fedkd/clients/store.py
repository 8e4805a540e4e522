"""What each client remembers between rounds, kept where the client is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ClientState:
    """One client's memories; None where none was started.

    Args:
        uplink: h_i of a Shift memory, or what error feedback kept [d].
        sent: the version of ``uplink``: the number of rounds that were over when it sent its last update.
        downlink: its own H_i [d], where every client has one.
        received: the version of ``downlink``, counted alike.
    """

    uplink: Tensor | None = None
    sent: int = 0
    downlink: Tensor | None = None
    received: int = 0
