"""Networks have the sizes they promise and weights that are a function of the key alone."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from fedkd.errors import ConfigurationError
from fedkd.models import Cnn, Linear, Mlp, Model, PlainCnn, ResNet, parameters
from fedkd.models.norms import NORMS
from fedkd_compression.keys import Key

KEY = Key.of(0, "model")
IMAGE = (1, 28, 28)
EVERY: list[tuple[Model, int]] = [
    (Mlp(hidden=(32,)), 25_450),
    (Mlp(hidden=()), 7_850),
    (Mlp(hidden=(64, 32)), 784 * 64 + 64 + 64 * 32 + 32 + 330),
    (Linear(bias=True), 7_850),
    (Linear(bias=False), 7_840),
    (Cnn(channels=(16, 32), hidden=64, groups=4, norm="group"), 105_962),
    (Cnn(channels=(16, 32, 64), hidden=128, groups=4, norm="group"), 98_666),
    (Cnn(channels=(8,), hidden=0, groups=4, norm="group"), 80 + 16 + (8 * 14 * 14 + 1) * 10),
    (ResNet(width=16, blocks=1, groups=4, norm="group"), 77_754),
    (PlainCnn(channels=(32, 64), kernel=5, padding=2, hidden=512), 1_663_370),
    (PlainCnn(channels=(10, 20), kernel=5, padding=0, hidden=50), 21_840),
    (PlainCnn(channels=(32, 64), kernel=3, padding=1, hidden=128), 421_642),
    (PlainCnn(channels=(4,), kernel=2, padding=2, hidden=3), 4 * 5 + (4 * 15 * 15 + 1) * 3 + 40),
    (PlainCnn(channels=(4,), kernel=2, padding=2, hidden=0), 4 * 5 + (4 * 15 * 15 + 1) * 10),
]
MODELS = [model for model, _ in EVERY]
NORMED: list[Model] = [
    model
    for norm in NORMS
    for model in (Cnn((6, 10), 5, 2, norm), ResNet(6, 2, 3, norm), Cnn((5,), 5, 5 if norm == "group" else 2, norm))
]
"""With every norm; groups are without meaning for all but one."""


@pytest.mark.parametrize(("model", "count"), EVERY, ids=repr)
def test_number_of_parameters(model: Model, count: int) -> None:
    assert parameters(model.build(IMAGE, 10, KEY)) == count


@pytest.mark.parametrize("model", [*MODELS, *NORMED], ids=repr)
def test_numbers_that_travel_are_known_before_torch(model: Model) -> None:
    for shape, classes in ((IMAGE, 10), ((3, 17, 20), 1)):
        network = model.build(shape, classes, KEY)
        assert model.dim(shape, classes) == parameters(network) + sum(buffer.numel() for buffer in network.buffers())


@pytest.mark.parametrize("norm", NORMS)
def test_a_norm_follows_every_convolution_and_starts_as_the_identity(norm: str) -> None:
    expected = {"group": "GroupNorm", "batch": "BatchNorm", "local_batch": "BatchNorm"}
    for model, convolutions in ((Cnn((6, 10), 5, 2, norm), 2), (ResNet(6, 1, 3, norm), 9)):
        network = model.build(IMAGE, 10, KEY)
        kinds = Counter(type(layer).__name__ for layer in network.modules())
        assert kinds["Conv2d"] == convolutions
        assert (
            kinds["GroupNorm"] + kinds["BatchNorm"] == kinds[expected.get(norm, "")] == convolutions * (norm != "none")
        )
        buffers = dict(network.named_buffers())
        assert len(buffers) == 2 * convolutions * (norm == "batch")
        assert all(bool((value == name.endswith("var")).all()) for name, value in buffers.items())


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_weights_are_a_function_of_the_key(model: Model) -> None:
    first, again = (model.build(IMAGE, 10, KEY).state_dict() for _ in range(2))
    other = model.build(IMAGE, 10, Key.of(1, "model")).state_dict()
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name])
        assert tensor.unique().numel() == 1 or not torch.equal(tensor, other[name])


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_the_global_generator_of_torch_is_left_alone(model: Model) -> None:
    before = torch.random.get_rng_state()
    model.build(IMAGE, 10, KEY)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_outputs_are_finite_and_every_parameter_gets_a_gradient(model: Model) -> None:
    network = model.build(IMAGE, 10, KEY)
    x = torch.linspace(-1, 2, 3 * 784).reshape(3, *IMAGE).sin()
    outputs = network(x)
    assert outputs.shape == (3, 10)
    assert outputs.dtype == torch.float32
    outputs.square().sum().backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_weights_are_uniform_with_torchs_bound(model: Model) -> None:
    for module in model.build(IMAGE, 10, KEY).modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            bound = 1 / math.sqrt(module.weight[0].numel())
            for parameter in module.parameters():
                scaled = parameter.detach().double() / bound
                assert scaled.abs().max() <= 1
                assert abs(float(scaled.mean())) < 5 / math.sqrt(3 * scaled.numel())
                spread = math.sqrt(4 / 45 / scaled.numel())
                assert abs(float(scaled.square().mean()) - 1 / 3) < 5 * spread


def test_layers_of_one_shape_get_different_weights() -> None:
    network = Mlp(hidden=(8, 8, 8)).build((8,), 8, KEY)
    weights = [m.weight for m in network.modules() if isinstance(m, torch.nn.Linear)]
    assert not any(torch.equal(a, b) for i, a in enumerate(weights) for b in weights[:i])


@pytest.mark.parametrize("model", [m for m in MODELS if not isinstance(m, ResNet)], ids=repr)
def test_network_is_a_plain_stack_of_known_layers(model: Model) -> None:
    network = model.build(IMAGE, 10, KEY)
    allowed = {"Linear", "Conv2d", "ReLU", "MaxPool2d", "GroupNorm", "Flatten"}
    assert isinstance(network, torch.nn.Sequential)
    assert set(Counter(type(layer).__name__ for layer in network)) <= allowed


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_no_sample_sees_another(model: Model) -> None:
    network = model.build(IMAGE, 10, KEY).train()
    x = torch.linspace(-1, 2, 4 * 784).reshape(4, *IMAGE).sin()
    alone = torch.cat([network(sample[None]) for sample in x])
    torch.testing.assert_close(network(x), alone, rtol=1e-4, atol=1e-5)
    assert not list(network.buffers())


def test_group_norm_normalises_groups_of_channels_and_starts_as_the_identity() -> None:
    network = Cnn(channels=(8,), hidden=4, groups=2, norm="group").build(IMAGE, 10, KEY)
    norm = network.get_submodule("1")
    assert isinstance(norm, torch.nn.GroupNorm)
    assert (norm.num_groups, norm.num_channels) == (2, 8)
    x = torch.linspace(0, 30, 2 * 8 * 9).reshape(2, 8, 3, 3).sin() * 5 + 3
    groups = norm(x).reshape(2, 2, -1)
    torch.testing.assert_close(groups.mean(dim=2), torch.zeros(2, 2), rtol=0, atol=1e-5)
    torch.testing.assert_close(groups.std(dim=2, correction=0), torch.ones(2, 2), rtol=0, atol=1e-4)


def test_regression_has_one_output() -> None:
    assert Linear(bias=True).build((7,), 0, KEY)(torch.zeros(3, 7)).shape == (3, 1)


def test_resnet_halves_the_image_twice_and_doubles_its_channels() -> None:
    network = ResNet(width=8, blocks=2, groups=2, norm="group").build((3, 32, 32), 5, KEY)
    assert isinstance(network, torch.nn.Sequential)
    x = torch.zeros(1, 3, 32, 32)
    shapes = [tuple((x := layer(x)).shape[1:]) for layer in network]
    assert shapes[3:9] == [(8, 32, 32)] * 2 + [(16, 16, 16)] * 2 + [(32, 8, 8)] * 2


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (Cnn((8, 8, 8), 4, 2, "group"), (1, 7, 28)),
        (Cnn((8,), 4, 2, "group"), (784,)),
        (PlainCnn((32, 64), 5, 2, 512), (1, 3, 28)),
        (PlainCnn((10, 20), 5, 0, 50), (1, 15, 28)),
        (ResNet(8, 1, 2, "group"), (64,)),
    ],
)
def test_samples_that_are_no_images_or_too_small_are_refused(model: Model, shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError, match=f"{type(model).__name__}: samples of shape .* choose model=mlp"):
        model.build(shape, 10, KEY)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"channels=\[8, 9\] are not multiples of groups=4"):
        Cnn((8, 9), 4, 4, "group")
    with pytest.raises(ConfigurationError, match=r"channels=\[\]"):
        Cnn((), 4, 4, "group")
    with pytest.raises(ConfigurationError, match="Cnn: hidden=-1"):
        Cnn((8,), -1, 4, "group")
    with pytest.raises(ConfigurationError, match=r"PlainCnn: channels=\[8, 0\]"):
        PlainCnn((8, 0), 3, 1, 4)
    with pytest.raises(ConfigurationError, match="PlainCnn: kernel=0"):
        PlainCnn((8,), 0, 1, 4)
    with pytest.raises(ConfigurationError, match="width=9 is not a multiple of groups=4"):
        ResNet(9, 1, 4, "group")
    with pytest.raises(
        ConfigurationError, match="Cnn: norm='layer' is unknown; choose one of group, batch, local_batch"
    ):
        Cnn((8,), 4, 4, "layer")
    with pytest.raises(ConfigurationError, match="ResNet: norm='layer' is unknown"):
        ResNet(8, 1, 4, "layer")
    with pytest.raises(ConfigurationError, match="ResNet: blocks=0"):
        ResNet(8, 0, 4, "group")
    with pytest.raises(ConfigurationError, match=r"hidden=\[3, 0\]"):
        Mlp((3, 0))
