"""A projected network is its trunk, with the same tensors, and a projector in place of the head."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from fedkd.errors import ConfigurationError
from fedkd.models import Cnn, Linear, Mlp, Model, PlainCnn, Projected, ResNet
from fedkd.models.batch_norm import BatchNorm
from fedkd.models.norms import NORMS
from fedkd_compression.keys import Key

KEY = Key.of(0, "model")
IMAGE = (1, 12, 12)
TRUNKS: dict[str, tuple[Model, int]] = {
    "cnn": (Cnn((4, 8), 6, 2, "batch"), 6),
    "cnn without a hidden layer": (Cnn((4, 8), 0, 2, "batch"), 72),
    "plain_cnn": (PlainCnn((3,), 3, 1, 5), 5),
    "resnet": (ResNet(4, 1, 2, "group"), 16),
    "mlp": (Mlp((9, 7)), 7),
    "linear": (Linear(bias=True), 144),
    "linear without bias": (Linear(bias=False), 144),
}


@pytest.mark.parametrize("trunk", TRUNKS)
def test_tensors_of_the_trunk_are_those_of_the_trunk_alone(trunk: str) -> None:
    model, features = TRUNKS[trunk]
    assert model.features(IMAGE) == features
    projected = Projected(model, 7, 5, "batch")
    assert projected.features(IMAGE) == features
    network, alone = projected.build(IMAGE, 10, KEY), model.build(IMAGE, 10, KEY)
    (name, head), (same, _) = (list(whole.named_children())[-1] for whole in (network, alone))
    assert name == same
    assert [type(layer).__name__ for layer in head] == ["Linear", "BatchNorm", "ReLU", "Linear"]
    own, others = network.state_dict(), alone.state_dict()
    shared = [key for key in others if not key.startswith(f"{name}.")]
    assert [key for key in own if not key.startswith(f"{name}.")] == shared
    assert all(torch.equal(own[key], others[key]) for key in shared)
    assert network(torch.ones(2, *IMAGE)).shape == (2, 5)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("trunk", TRUNKS)
def test_numbers_that_travel_are_known_before_torch(trunk: str, norm: str) -> None:
    projected = Projected(TRUNKS[trunk][0], 7, 5, norm)
    for classes in (0, 1, 10):
        network = projected.build(IMAGE, classes, KEY)
        counted = sum(part.numel() for part in (*network.parameters(), *network.buffers()))
        assert projected.dim(IMAGE, classes) == counted
        norms = [part for part in network[-1] if isinstance(part, BatchNorm)]
        assert len(norms) == norm.endswith("batch")
        assert all((part.running_mean is not None) == (norm == "batch") for part in norms)


@dataclass(frozen=True)
class Headless(Model):
    """Ends in no linear layer."""

    def dim(self, shape: tuple[int, ...], classes: int) -> int:
        return 0

    def layers(self, shape: tuple[int, ...], classes: int) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Flatten())


def test_what_has_no_head_to_replace_is_refused() -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"^Projected: trunk=Headless is no Sequential that ends .*choose another, as model=projected has it$",
    ):
        Projected(Headless(), 7, 5, "none").build(IMAGE, 10, KEY)
    with pytest.raises(ConfigurationError, match="^Projected: trunk=Projected has a projector; choose one"):
        Projected(Projected(Mlp(()), 7, 5, "none"), 7, 5, "none")
    with pytest.raises(ConfigurationError, match="^Projected: hidden=0 is outside"):
        Projected(Mlp(()), 0, 5, "none")
    with pytest.raises(ConfigurationError, match="^Projected: norm='layer' is unknown; choose one of group, batch"):
        Projected(Mlp(()), 7, 5, "layer")
