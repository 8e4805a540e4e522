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
        task: what the task keeps with the client between rounds [m]; the server knows nothing of it.
    """

    uplink: Tensor | None = None
    sent: int = 0
    downlink: Tensor | None = None
    received: int = 0
    task: Tensor | None = None

    @property
    def vectors(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """All that may be there, in the order in which they are kept."""
        return self.uplink, self.downlink, self.task
