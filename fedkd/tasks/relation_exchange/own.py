"""What a client keeps between its rounds, as one vector of the same length for all architectures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor


class Own(NamedTuple):
    """A client's own.

    Args:
        student: which architecture.
        network: parameters and running statistics.
        local: what its local task keeps; None before its first round, or where nothing is kept.
    """

    student: int
    network: Tensor
    local: Tensor | None


@dataclass(frozen=True)
class Layout:
    """Where the parts lie: architecture, whether the client has trained, network, what is kept locally, zeros.

    Args:
        sizes: of every architecture, numbers of the network and numbers that its local task keeps.

    Example:
        >>> layout = Layout(((2, 1), (4, 0)))
        >>> layout.join(Own(0, torch.ones(2), None))
        tensor([0., 0., 1., 1., 0., 0.])
    """

    sizes: tuple[tuple[int, int], ...]

    @property
    def total(self) -> int:
        """Numbers in all: those of the largest architecture, and the two before them."""
        return 2 + max(network + local for network, local in self.sizes)

    def join(self, own: Own) -> Tensor:
        """The vector [total]."""
        head = own.network.new_tensor([own.student, own.local is not None])
        parts = [head, own.network, *([] if own.local is None else [own.local])]
        vector = torch.cat(parts)
        return torch.nn.functional.pad(vector, (0, self.total - len(vector)))

    def split(self, vector: Tensor) -> Own:
        """The parts of a vector [total]."""
        student, trained = int(vector[0]), bool(vector[1])
        network, local = self.sizes[student]
        parts = torch.split(vector[2:], [network, local, self.total - 2 - network - local])
        return Own(student, parts[0], parts[1] if trained else None)
