"""Features: all layers but the last, in evaluation mode, whatever the chunks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedkd.errors import ConfigurationError
from fedkd.models import Cnn, Linear
from fedkd.probes import Features, features
from fedkd_compression import Key

IMAGES = Key.of(0).uniforms(10 * 64).reshape(10, 1, 8, 8)


@pytest.fixture
def network() -> torch.nn.Module:
    return Cnn((4,), 6, 2, "batch").build((1, 8, 8), 3, Key.of(1))


def _stretched(network: torch.nn.Module) -> None:
    """Running statistics that are not those of a batch."""
    for name, buffer in network.named_buffers():
        buffer.fill_(0.5 if name.endswith("mean") else 4.0)


def test_the_last_child_is_left_out(network: torch.nn.Module) -> None:
    _stretched(network)
    found = features(network, IMAGES)
    network.eval()
    with torch.no_grad():
        logits = network[-1](torch.from_numpy(found).float())
        assert torch.allclose(logits, network(IMAGES), atol=1e-6)
    assert (found.shape, found.dtype) == ((10, 6), np.float64)


@pytest.mark.parametrize("training", [True, False])
def test_the_network_stays_as_it_was(network: torch.nn.Module, training: bool) -> None:
    network.train(training)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    features(network, IMAGES)
    assert {part.training for part in network.modules()} == {training}
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_chunks_are_even_and_change_nothing(network: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, sizes = features(network, IMAGES), list[int]()

    def laid(x: torch.Tensor) -> torch.Tensor:
        sizes.append(len(x))
        return x

    monkeypatch.setattr("fedkd.probes.frozen.CHUNK", 4)
    assert features(network, IMAGES, laid) == pytest.approx(whole, abs=1e-6)
    assert sizes == [4, 3, 3]


def test_a_linear_model_has_its_samples_as_features() -> None:
    network = Linear(bias=True).build((1, 8, 8), 3, Key.of(0))
    assert np.array_equal(features(network, IMAGES), IMAGES.reshape(10, 64).double().numpy())


@pytest.mark.parametrize("other", [torch.nn.Linear(2, 2), torch.nn.Sequential(torch.nn.Linear(2, 2))])
def test_a_network_without_a_last_child_is_refused(other: torch.nn.Module) -> None:
    with pytest.raises(ConfigurationError, match="is no Sequential of two layers or more"):
        features(other, torch.zeros(1, 2))


@pytest.mark.parametrize(("x", "y"), [((3, 2), (2,)), ((3,), (3,)), ((0, 2), (0,)), ((3, 2), (3, 1))])
def test_rows_and_labels_belong_together(x: tuple[int, ...], y: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError, match=r"are not \[n, f\] and \[n\]"):
        Features(np.zeros(x), np.zeros(y, dtype=np.int64))


def test_what_is_not_finite_is_known() -> None:
    assert Features(np.ones((1, 2)), np.zeros(1, dtype=np.int64)).finite
    assert not Features(np.array([[1.0, np.inf]]), np.zeros(1, dtype=np.int64)).finite
