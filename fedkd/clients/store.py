"""What each client remembers between rounds, kept where the client is trained."""

from __future__ import annotations

from collections.abc import Iterator
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


class ClientStore:
    """Client states by client number; a client that was never trained takes no space."""

    def __init__(self) -> None:
        self._states: dict[int, ClientState] = {}

    def __getitem__(self, client: int) -> ClientState:
        return self._states.get(client, ClientState())

    def __setitem__(self, client: int, state: ClientState) -> None:
        self._states[client] = state

    def items(self) -> Iterator[tuple[int, ClientState]]:
        """Clients and their states, by client number."""
        return iter(sorted(self._states.items()))
