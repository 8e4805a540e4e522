"""Views of images: by hand, one by one, and as often as they should be."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.tasks.ressl.views import Draws, Views

IDENTITY = Views(
    crops=1,
    scale=(1.0, 1.0),
    ratio=(1.0, 1.0),
    flip=0.0,
    jitter=0.0,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
    grey=0.0,
    blur=0.0,
    blur_sigma=(0.1, 2.0),
    weak_scale=(1.0, 1.0),
    weak_flip=0.0,
    teacher="weak",
)
PAPER = dataclasses.replace(
    IDENTITY,
    scale=(0.2, 1.0),
    ratio=(3 / 4, 4 / 3),
    flip=0.5,
    jitter=0.8,
    grey=0.2,
    blur=0.5,
    weak_scale=(0.2, 1.0),
    weak_flip=0.5,
)
COLOURLESS = dataclasses.replace(PAPER, saturation=0.0, hue=0.0, grey=0.0)


def images(count: int, channels: int = 1, height: int = 8, width: int = 8) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(count, channels, height, width)


def uniforms(views: Views, count: int, round_: int = 0) -> Tensor:
    return key(0, "train", round_).spread(count).uniforms(views.numbers)


def numbers(views: Views, count: int, **drawn: float) -> Tensor:
    """The same numbers for every sample and view, 0 unless given."""
    one = torch.tensor([drawn.get(name, 0.0) for name in Draws._fields])
    return one.repeat(count, views.numbers // len(one))


@pytest.mark.parametrize("channels", [1, 3])
def test_views_without_changes_are_the_samples_bit_for_bit(channels: int) -> None:
    x, u = images(7, channels), uniforms(IDENTITY, 7)
    calm = dataclasses.replace(IDENTITY, jitter=1.0, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
    for views in (IDENTITY, calm):
        assert torch.equal(views.weak(x, u), x)
        assert torch.equal(views.contrastive(x, u), x)


def test_samples_that_are_not_chosen_stay_bit_for_bit() -> None:
    views = dataclasses.replace(IDENTITY, jitter=0.5, grey=0.5, blur=0.5, flip=0.5)
    x = images(5, 3)
    u = numbers(views, 5, jitter=0.5, grey=0.5, blur=0.5, flip=0.5, sigma=0.7, hue=0.9, brightness=0.9)
    assert torch.equal(views.contrastive(x, u), x)


def test_mirroring_is_exact_and_follows_the_numbers() -> None:
    views, x = dataclasses.replace(IDENTITY, flip=0.3, weak_flip=0.7), images(4)
    u = numbers(views, 4)
    column = Draws._fields.index("flip")
    u[:, column] = torch.tensor([0.69, 0.7, 0.0, 0.9])
    u[:, column + len(Draws._fields)] = torch.tensor([0.31, 0.29, 0.3, 0.0])
    mirrored = x.flip(-1)
    assert torch.equal(views.weak(x, u), torch.stack([mirrored[0], x[1], mirrored[2], x[3]]))
    assert torch.equal(views.contrastive(x, u), torch.stack([x[0], mirrored[1], x[2], mirrored[3]]))


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_crop_by_hand(mirrored: bool) -> None:
    """The lower left quarter of 4 x 4 pixels: its rows and columns, at 1.75, 2.25, 2.75, 3.25 and -0.25, ..., 1.25."""
    views = dataclasses.replace(IDENTITY, scale=(0.25, 0.25 + 1e-9), flip=float(mirrored))
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    rows, columns = torch.tensor([1.75, 2.25, 2.75, 3.0]), torch.tensor([0.0, 0.25, 0.75, 1.25])
    expected = 4 * rows[:, None] + (columns.flip(0) if mirrored else columns)
    found = views.contrastive(x, numbers(views, 1, left=0.0, top=1.0))
    torch.testing.assert_close(found[0, 0], expected, rtol=0, atol=1e-5)


def test_jitter_by_hand() -> None:
    views = dataclasses.replace(IDENTITY, jitter=1.0, brightness=0.5, contrast=0.4, saturation=0.0, hue=0.0)
    x = torch.tensor([[[[1.0, 3.0]]]])
    # Shift 0.5 x (2 x 0.75 - 1) = 0.25; contrast 1 + 0.4 x (2 x 0.25 - 1) = 0.8 around the mean 2.
    found = views.contrastive(x, numbers(views, 1, brightness=0.75, contrast=0.25))
    torch.testing.assert_close(found, torch.tensor([[[[1.45, 3.05]]]]))


def test_colours_by_hand() -> None:
    """On pixels that are standardised: grey has the weights .299, .587, .114; a third of a turn moves red to green."""
    x = torch.tensor([-1.0, 0.5, 2.0]).reshape(1, 3, 1, 1)
    grey = 0.299 * -1 + 0.587 * 0.5 + 0.114 * 2
    calm = dataclasses.replace(IDENTITY, jitter=1.0, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)

    def of(views: Views, **drawn: float) -> Tensor:
        return views.contrastive(x, numbers(views, 1, **drawn)).flatten()

    found = of(dataclasses.replace(calm, saturation=1.0), saturation=0.25)
    torch.testing.assert_close(found, (x.flatten() + grey) / 2)
    torch.testing.assert_close(of(dataclasses.replace(calm, grey=1.0)), torch.full((3,), grey))
    found = of(dataclasses.replace(calm, hue=1 / 3), hue=1 - 2**-24)
    torch.testing.assert_close(found, torch.tensor([2.0, -1.0, 0.5]), rtol=0, atol=1e-5)


def test_a_blur_by_hand() -> None:
    views = dataclasses.replace(IDENTITY, blur=1.0, blur_sigma=(1.0, 1.0))
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 3, 4] = 1
    side = math.exp(-0.5)
    kernel = torch.tensor([side, 1.0, side]) / (1 + 2 * side)
    found = views.contrastive(x, numbers(views, 1))[0, 0]
    torch.testing.assert_close(found[2:5, 3:6], kernel[:, None] * kernel)
    assert found[0].abs().max() == 0
    assert found.sum().item() == pytest.approx(1)
    # Beyond the edge lies the edge's pixel: an even image stays even up to its border.
    torch.testing.assert_close(views.contrastive(torch.full_like(x, 2.0), numbers(views, 1)), torch.full_like(x, 2.0))


@pytest.mark.parametrize("teacher", ["weak", "contrastive"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 6)])
def test_a_batch_is_its_samples_one_by_one(shape: tuple[int, int, int], teacher: str) -> None:
    views = dataclasses.replace(PAPER if shape[0] == 3 else COLOURLESS, crops=2, teacher=teacher)
    x, u = images(6, *shape), uniforms(views, 6)
    batch, weak = views.contrastive(x, u), views.weak(x, u)
    for i in range(6):
        one = views.contrastive(x[i : i + 1], u[i : i + 1])
        torch.testing.assert_close(batch[i::6], one, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(weak[i : i + 1], views.weak(x[i : i + 1], u[i : i + 1]), rtol=1e-5, atol=1e-5)


def test_crops_come_one_after_another_and_another_crop_changes_no_other() -> None:
    views, x = dataclasses.replace(PAPER, crops=3), images(5, 3)
    u = uniforms(views, 5)
    found = views.contrastive(x, u)
    assert found.shape == (15, 3, 8, 8)
    fewer = dataclasses.replace(views, crops=2)
    assert torch.equal(fewer.contrastive(x, u[:, : fewer.numbers]), found[:10])
    assert torch.equal(fewer.weak(x, u[:, : fewer.numbers]), views.weak(x, u))
    assert not torch.allclose(found[:5], found[5:10])


def test_one_field_moves_no_other_s_numbers() -> None:
    x, u = images(5), uniforms(PAPER, 5)
    sharp = dataclasses.replace(COLOURLESS, blur=0.0)
    calm = dataclasses.replace(sharp, jitter=0.0)
    unchanged = u[:, len(Draws._fields) + Draws._fields.index("jitter")] >= PAPER.jitter
    assert unchanged.any()
    assert torch.equal(sharp.contrastive(x, u)[unchanged], calm.contrastive(x, u)[unchanged])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_see_the_same(dtype: torch.dtype) -> None:
    x, u = images(6, 3), uniforms(PAPER, 6)
    eps = max(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps)
    for view in (PAPER.weak, PAPER.contrastive):
        found = view(x.to(dtype), u)
        assert found.dtype == dtype
        torch.testing.assert_close(found.float(), view(x, u), rtol=32 * eps, atol=100 * eps)


def test_no_value_is_asked_for_on_the_way() -> None:
    """Tensors without values have none to wait for: a step with views can be captured as a graph of a device."""
    views = dataclasses.replace(PAPER, crops=2)
    x, u = torch.empty(5, 3, 8, 8, device="meta"), torch.empty(5, views.numbers, device="meta")
    assert views.contrastive(x, u).shape == (10, 3, 8, 8)
    assert views.weak(x, u).shape == x.shape


def test_a_teacher_may_see_a_contrastive_view() -> None:
    x, views = images(5, 3), dataclasses.replace(PAPER, teacher="contrastive")
    u = uniforms(views, 5)
    swapped = torch.cat((u[:, len(Draws._fields) :], u[:, : len(Draws._fields)]), dim=1)
    assert torch.equal(views.weak(x, u), PAPER.contrastive(x, swapped))


@pytest.mark.theory
def test_areas_are_uniform_ratios_keep_their_bounds_and_boxes_lie_inside() -> None:
    """Read from a ramp: the middle columns of a crop are its width apart. An area's variance is 0.8^2 / 12."""
    count = 20_000
    views = dataclasses.replace(IDENTITY, scale=(0.2, 1.0), ratio=(1 / 2, 2.0))
    ramp = torch.arange(4.0, dtype=torch.float64)
    x = torch.stack((ramp.expand(4, 4), ramp[:, None].expand(4, 4))).expand(count, 2, 4, 4)
    found = views.contrastive(x, uniforms(views, count))
    width, height = (found[:, 0, 0, 2] - found[:, 0, 0, 1]), (found[:, 1, 2, 0] - found[:, 1, 1, 0])
    area, ratio = width * height, width / height
    deviation = 0.8 / math.sqrt(12)
    assert abs(area.mean() - 0.6) < 5 * deviation / math.sqrt(count)
    for quantile in (0.1, 0.5, 0.9):
        share = (area < 0.2 + 0.8 * quantile).double().mean()
        assert abs(share - quantile) < 5 * math.sqrt(quantile * (1 - quantile) / count)
    assert width.max() <= 1 + 1e-9
    assert height.max() <= 1 + 1e-9
    assert ratio.min() >= 1 / 2 - 1e-9
    assert ratio.max() <= 2 + 1e-9
    # Log ratios are symmetric, and uniform where every ratio fits: a variance of (2 log 2)^2 / 12.
    small = area < 0.5
    logs = ratio[small].log()
    assert abs(logs.mean()) < 5 * 2 * math.log(2) / math.sqrt(12 * small.sum())
    assert abs((logs.abs() < math.log(2) / 2).double().mean() - 0.5) < 2.5 / math.sqrt(small.sum())


@pytest.mark.theory
def test_chances_are_as_asked() -> None:
    count = 20_000
    views = dataclasses.replace(PAPER, scale=(1.0, 1.0), jitter=0.0, grey=0.0, blur=0.0, flip=0.3)
    x = torch.tensor([0.0, 1.0]).expand(count, 1, 1, 2)
    share = views.contrastive(x, uniforms(views, count))[:, 0, 0, 0].mean()
    assert abs(share - 0.3) < 5 * math.sqrt(0.21 / count)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("crops", 0, "crops=0 is below 1"),
        ("scale", (0.0, 1.0), r"scale=\[0.0, 1.0\] is not \[least, most\]; choose two numbers, 0 < least <= most <= 1"),
        ("scale", (0.2, 1.1), "0 < least <= most <= 1"),
        ("scale", (0.5,), "choose two numbers"),
        ("weak_scale", (0.9, 0.8), r"weak_scale=\[0.9, 0.8\]"),
        ("ratio", (0.5, math.inf), r"ratio=\[0.5, inf\]"),
        ("ratio", (1.5, 2.0), "leaves out 1"),
        ("blur_sigma", (0.0, 2.0), "blur_sigma"),
        ("flip", -0.1, "flip=-0.1 is outside"),
        ("weak_flip", 1.1, "weak_flip=1.1 is outside"),
        ("jitter", 2.0, "jitter=2.0 is outside"),
        ("grey", math.nan, "grey=nan is outside"),
        ("blur", 1.5, "blur=1.5 is outside"),
        ("brightness", -0.1, "brightness=-0.1 is not in"),
        ("contrast", 1.2, "contrast=1.2 is outside"),
        ("saturation", -1.0, "saturation=-1.0 is outside"),
        ("hue", 0.6, r"hue=0.6 is outside \[0, 0.5\]"),
        ("teacher", "strong", "teacher='strong' is unknown; choose one of weak, contrastive"),
    ],
)
def test_bad_values_are_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"Views: .*{message}"):
        dataclasses.replace(PAPER, **{field: value})


def test_samples_that_are_no_images_are_refused() -> None:
    PAPER.check((3, 8, 8))
    with pytest.raises(ConfigurationError, match=r"samples of shape \[64\] are not images"):
        PAPER.check((64,))
    with pytest.raises(ConfigurationError, match=r"saturation=0.4 needs 3 channels, not 1; choose saturation=0"):
        PAPER.check((1, 8, 8))
    COLOURLESS.check((1, 8, 8))
