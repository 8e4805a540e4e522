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
        sent: how many updates it has sent, the version of ``uplink``.
        downlink: its own H_i [d], where every client has one.
        received: the version of ``downlink``.
    """

    uplink: Tensor | None = None
    sent: int = 0
    downlink: Tensor | None = None
    received: int = 0
