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

    def on_host(self) -> ClientState:
        """The same in the host's memory; itself if it is there."""
        if all(vector is None or vector.is_cpu for vector in self.vectors):
            return self
        uplink, downlink, task = (None if vector is None else vector.cpu() for vector in self.vectors)
        return ClientState(uplink, self.sent, downlink, self.received, task)

    @property
    def vectors(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """All that may be there, in the order in which they are kept."""
        return self.uplink, self.downlink, self.task
