"""A network's features under a projector: what self-supervised tasks train."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedkd.data.bounds import one_of, within
from fedkd.errors import ConfigurationError
from fedkd.models.base import WIDEST, Model, linear_dim
from fedkd.models.norms import NORMS, Norm, norm_dim, norm_layers


@dataclass(frozen=True)
class Projected(Model):
    """A trunk whose head is replaced by a projector: Linear, a norm if any, ReLU, Linear.

    The head is the last child of the trunk's network, the features are what all others compute. The projector has the
    head's name, so all other tensors have the names, and begin at the values, that they have in the trunk alone.

    Args:
        trunk: the network; its own number of outputs does not matter.
        hidden: width of the projector's hidden layer, >= 1.
        output: length of what comes out, >= 1, whatever the number of classes.
        norm: of the hidden layer; as in ``Cnn``, ``group`` being one group: every sample by itself.
    """

    trunk: Model
    hidden: int
    output: int
    norm: Norm

    def __post_init__(self) -> None:
        within(self, "hidden", 1, WIDEST)
        within(self, "output", 1, WIDEST)
        one_of(self, "norm", NORMS)
        if isinstance(self.trunk, Projected):
            raise ConfigurationError("Projected: trunk=Projected has a projector; choose one, as model=projected has")

    def features(self, shape: tuple[int, ...]) -> int:
        """The trunk's."""
        return self.trunk.features(shape)

    def dim(self, shape: tuple[int, ...], classes: int) -> int:
        """The trunk without its head, which grows by one and the same number a class, and the projector."""
        body = 2 * self.trunk.dim(shape, 1) - self.trunk.dim(shape, 2)
        hidden = linear_dim(self.features(shape), self.hidden) + norm_dim(self.norm, self.hidden)
        return body + hidden + linear_dim(self.hidden, self.output)

    def layers(self, shape: tuple[int, ...], classes: int) -> torch.nn.Module:
        """The trunk's layers; the last is the projector.

        Raises:
            ConfigurationError: the trunk's network does not end in a Linear.
        """
        network = self.trunk.layers(shape, 1)
        head = network[-1] if isinstance(network, torch.nn.Sequential) and len(network) else None
        if not (isinstance(network, torch.nn.Sequential) and isinstance(head, torch.nn.Linear)):
            raise ConfigurationError(
                f"Projected: trunk={type(self.trunk).__name__} is no Sequential that ends in Linear; "
                "choose another, as model=projected has it"
            )
        network[-1] = torch.nn.Sequential(
            torch.nn.Linear(head.in_features, self.hidden),
            *norm_layers(self.norm, self.hidden, groups=1),
            torch.nn.ReLU(),
            torch.nn.Linear(self.hidden, self.output),
        )
        return network
