"""Theta: its parts, its file, and how it is drawn."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save

from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.optimizers import BLACK_BOX, STAR_FORM, Form, Theta, drawn, read_theta, theta
from fedkd.optimizers.form import DECAYS

KEY = key(0, "optimizer")
FORMS = pytest.mark.parametrize("form", [STAR_FORM, BLACK_BOX], ids=["STAR", "black box"])
SIGMAS = 5


def counted(form: Form) -> Theta:
    """The numbers 0, 1, 2, ..."""
    return Theta(form, torch.arange(float(form.size)))


def written(folder: Path, data: bytes, name: str = "one") -> str:
    path = folder / f"{name}.safetensors"
    path.write_bytes(data)
    return str(path)


def changed(given: Theta, **parts: torch.Tensor) -> bytes:
    """A file of which some tensors are others."""
    form = json.dumps(dataclasses.asdict(given.form))
    return save(load(given.pack({})) | parts, {"form": form})


def refusal(name: str) -> str:
    """What reading says; in one line."""
    with pytest.raises(ConfigurationError) as refused:
        read_theta(name)
    [line] = str(refused.value).splitlines()
    assert line.startswith(f"theta={name}: ")
    assert "; choose " in line
    return line


def test_without_offsets_decays_are_those_of_the_form() -> None:
    zero = Theta(STAR_FORM, torch.zeros(202, dtype=torch.float64))
    np.testing.assert_allclose(zero.decays, [0.9, 0.99, 0.999, 0.999, 0.9, 0.99, 0.999], rtol=1e-15)
    assert (len(zero.momenta), zero.second.shape, len(zero.factored)) == (3, (), 3)


def test_an_offset_moves_the_logarithm_of_one_minus_a_decay_by_ten_times_itself() -> None:
    offsets = torch.tensor([0.05, -0.05, 0, 0.1, -0.1, 0.2, -0.2], dtype=torch.float64)
    vector = torch.cat([offsets, torch.zeros(195, dtype=torch.float64)])
    found = Theta(STAR_FORM, vector).decays
    expected = [1 - 0.1 * math.e**0.5, 1 - 0.01 * math.e**-0.5, 0.999, 1 - 0.001 * math.e]
    expected += [1 - 0.1 / math.e, 1 - 0.01 * math.e**2, 1 - 0.001 / math.e**2]
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_decays_stay_between_zero_and_one() -> None:
    vector = torch.zeros(202)
    vector[:2] = torch.tensor([9.0, -9.0])
    assert Theta(STAR_FORM, vector).decays[:2].tolist() == [0, 1]


@FORMS
def test_layers_follow_one_another_in_the_vector(form: Form) -> None:
    (first, b1), (second, b2), (third, b3) = counted(form).network
    assert (first.shape, second.shape, third.shape) == ((39, 4), (4, 4), (4, form.heads))
    assert first[0].tolist() == [7, 8, 9, 10]
    assert first[1, 0] == 11
    assert b1.tolist() == [163, 164, 165, 166]
    assert (second[0, 0], b2[0], third[0, 0], b3[-1]) == (167, 183, 187, form.size - 1)


def test_many_thetas_have_their_parts_side_by_side() -> None:
    vectors = torch.arange(3 * 202.0).reshape(3, 202) / 1e4
    many, singles = Theta(STAR_FORM, vectors), [Theta(STAR_FORM, vector) for vector in vectors]
    for place, single in enumerate(singles):
        assert torch.equal(many.decays[place], single.decays)
        assert many.second[place] == single.second
        for (weights, biases), (weight, bias) in zip(many.network, single.network, strict=True):
            assert torch.equal(weights[place], weight)
            assert torch.equal(biases[place], bias)


def test_a_vector_of_another_size_is_refused() -> None:
    message = r"^Theta: 197 numbers, but the form has 202; choose its own$"
    with pytest.raises(ConfigurationError, match=message):
        Theta(STAR_FORM, torch.zeros(BLACK_BOX.size))


def test_to_changes_the_type_and_only_then_copies() -> None:
    one = drawn(STAR_FORM, KEY)
    other = one.to(torch.zeros((), dtype=torch.float64))
    assert other.vector.dtype == torch.float64
    assert torch.equal(other.vector.float(), one.vector)
    assert one.to(torch.zeros(3)) is one


@FORMS
def test_what_is_written_is_read(form: Form, tmp_path: Path) -> None:
    form = dataclasses.replace(form, nominal="SGDM", weight_decay=0.25)
    one = counted(form)
    name = written(tmp_path, one.pack({"tasks": "many", "steps": "7"}))
    read = read_theta(name)
    assert read.form == form
    assert torch.equal(read.vector, one.vector)
    with safe_open(name, "pt") as file:
        assert file.metadata() == {"tasks": "many", "steps": "7", "form": json.dumps(dataclasses.asdict(form))}
    assert len(one.pack({})) < 4096


def test_names_are_files_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theta, "HOME", tmp_path)
    for name, form in (("client", STAR_FORM), ("server", BLACK_BOX)):
        written(tmp_path, counted(form).pack({}), name)
    assert read_theta("server").form == BLACK_BOX
    assert read_theta("client").form == STAR_FORM
    for name in ("clients", str(tmp_path / "gone.safetensors")):
        assert refusal(name).endswith("no such file; choose one of client, server, or a .safetensors file")


@pytest.mark.parametrize("data", [b"", b"{}", b"no optimizer\n" * 100, counted(STAR_FORM).pack({})[:-1]])
def test_bytes_of_something_else_are_refused(data: bytes, tmp_path: Path) -> None:
    assert "holds no learned optimizer" in refusal(written(tmp_path, data))


@pytest.mark.parametrize("facts", [None, {}, {"form": "no JSON"}, {"form": "[1]"}, {"form": '{"heads": 3}'}])
def test_a_file_that_tells_no_form_is_refused(facts: dict[str, str] | None, tmp_path: Path) -> None:
    assert "holds no learned optimizer" in refusal(written(tmp_path, save(load(counted(STAR_FORM).pack({})), facts)))


def test_a_form_with_a_wrong_value_is_refused(tmp_path: Path) -> None:
    form = dataclasses.asdict(STAR_FORM) | {"nominal": "Lion"}
    data = save(load(counted(STAR_FORM).pack({})), {"form": json.dumps(form)})
    assert "nominal=Lion is unknown" in refusal(written(tmp_path, data))


def test_a_missing_tensor_is_refused(tmp_path: Path) -> None:
    tensors = load(counted(STAR_FORM).pack({}))
    del tensors["layers.2.bias"]
    name = written(tmp_path, save(tensors, {"form": json.dumps(dataclasses.asdict(STAR_FORM))}))
    assert "layers.2.bias" in refusal(name)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    bias = torch.tensor([0.0, value, 0.0])
    name = written(tmp_path, changed(counted(STAR_FORM), **{"layers.2.bias": bias}))
    assert refusal(name).endswith("has numbers that are not finite; choose another file")


@pytest.mark.parametrize(
    ("name", "shape"), [("decays", (6,)), ("layers.0.weight", (40, 4)), ("layers.0.weight", (4, 39))]
)
def test_tensors_of_other_sizes_are_refused(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    refusal(written(tmp_path, changed(counted(STAR_FORM), **{name: torch.zeros(shape)})))


@FORMS
def test_drawn_is_a_function_of_its_stream(form: Form) -> None:
    one = drawn(form, KEY)
    assert torch.equal(one.vector, drawn(form, KEY).vector)
    assert torch.equal(one.vector, drawn(form, KEY, torch.float64).vector.float())
    other = drawn(form, key(1, "optimizer"))
    (first, _), *_ = one.network
    (second, _), *_ = other.network
    assert (first != second).all()


@FORMS
def test_layers_are_drawn_apart(form: Form) -> None:
    (first, _), (second, _), (third, _) = drawn(form, KEY, torch.float64).network
    scaled = [weight.flatten()[:8] * len(weight) ** 0.5 for weight in (first, second, third)]
    assert all((scaled[at] - scaled[other]).abs().min() > 1e-6 for at, other in ((0, 1), (0, 2), (1, 2)))


@FORMS
def test_drawn_weights_lie_within_two_deviations_and_the_rest_is_zero(form: Form) -> None:
    for seed in range(20):
        one = drawn(form, key(seed, "optimizer"), torch.float64)
        assert not one.vector[: len(DECAYS)].any()
        for weight, bias in one.network:
            assert not bias.any()
            assert weight.abs().max() <= 2 / len(weight) ** 0.5 * (1 + 1e-9)


def test_drawn_weights_have_the_moments_of_a_normal_distribution_that_is_cut() -> None:
    """Cut at 2: E x^2 = 1 - 4 phi(2)/(2 Phi(2) - 1) = .7737, E x^4 = 3 E x^2 - 16 phi(2)/(2 Phi(2) - 1) = 1.416."""
    found = [drawn(STAR_FORM, key(seed, "optimizer"), torch.float64).network for seed in range(60)]
    for layer, inputs in enumerate((39, 4, 4)):
        x = torch.stack([one[layer][0] for one in found]).flatten().numpy() * inputs**0.5
        assert abs(x.mean()) < SIGMAS * (0.7737 / len(x)) ** 0.5
        assert abs((x**2).mean() - 0.7737) < SIGMAS * ((1.416 - 0.7737**2) / len(x)) ** 0.5
        assert np.abs(x).max() > 1.8
