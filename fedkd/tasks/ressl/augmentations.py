"""Random changes of images as pure functions: what is drawn comes in as one number a sample.

Shapes: x [n, c, h, w], every other tensor [n] in x's dtype, masks bool [n]. No function loops over samples or waits
for the device. Images are standardised by one mean and deviation for the whole data set: all here commute with that,
but for brightness, which is meant for it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

Range = tuple[float, ...]
"""The least and the most."""


class Box(NamedTuple):
    """A rectangle in each image; centres and sizes are in parts of the image's sides, so [0, 1] is all of it.

    Shapes: centre_x, centre_y, width, height [n].
    """

    centre_x: Tensor
    centre_y: Tensor
    width: Tensor
    height: Tensor


def within(bounds: Range, u: Tensor) -> Tensor:
    """Uniform in [least, most) from u, uniform in [0, 1)."""
    return bounds[0] + (bounds[1] - bounds[0]) * u


def box(scale: Range, ratio: Range, area: Tensor, shape: Tensor, left: Tensor, top: Tensor) -> Box:
    """A box inside the image from four numbers that are uniform in [0, 1).

    Its area a is uniform on ``scale``. The ratio r of width to height is log-uniform on the part of ``ratio`` where
    the box fits, a <= r <= 1/a: so none is drawn twice, and large areas are as frequent as small ones. Its place is
    uniform.
    """
    log_area = within(scale, area).log()
    least = log_area.clamp(min=math.log(ratio[0]))
    most = (-log_area).clamp(max=math.log(ratio[1]))
    log_ratio = torch.lerp(least, most, shape)
    width, height = ((log_area + log_ratio) / 2).exp(), ((log_area - log_ratio) / 2).exp()
    return Box(width / 2 + (1 - width) * left, height / 2 + (1 - height) * top, width, height)


def crop(x: Tensor, where: Box, mirrored: Tensor) -> Tensor:
    """The boxes, each stretched to the whole image and mirrored left to right where asked; bilinear, one resampling.

    Pixels are areas (``align_corners=False``); what lies beyond the edge is the edge's pixel, as zero is the data
    set's mean here and not its background.
    """
    height, width = x.shape[-2:]
    sign = 1 - 2 * mirrored.to(x.dtype)
    # affine_grid would do the same by a matrix product, ten times as slow for small images.
    columns = (2 * where.centre_x - 1)[:, None] + (sign * where.width)[:, None] * _centres(x, width)
    rows = (2 * where.centre_y - 1)[:, None] + where.height[:, None] * _centres(x, height)
    area = (len(x), height, width)
    grid = torch.stack((columns[:, None, :].expand(area), rows[:, :, None].expand(area)), dim=-1)
    return torch.nn.functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def mirror(x: Tensor, mirrored: Tensor) -> Tensor:
    """Images left to right where asked, exactly."""
    return torch.where(_over(mirrored, x), x.flip(-1), x)


def light(x: Tensor, shift: Tensor, contrast: Tensor) -> Tensor:
    """Brightness and contrast: contrast (x - m) + m + shift, m being the mean of the image (of its greys in colour).

    ``shift`` is in standard deviations of the data set. On pixels in [0, 1], brightness is often a factor f; on
    standardised ones, that is f x + (f - 1) mean/deviation, a contrast and a shift in one which needs the data's
    mean. Here the two are apart, and nothing is clipped since a standardised image has no bounds.
    """
    m = (greys(x) if is_coloured(x) else x).mean((1, 2, 3))
    return torch.addcmul(_over((1 - contrast) * m + shift, x), x, _over(contrast, x))


def is_coloured(x: Tensor) -> bool:
    """Whether images have the three channels red, green, blue."""
    return x.shape[1] == 3


def greys(x: Tensor) -> Tensor:
    """Grey image [n, 1, h, w] of a coloured one."""
    from kornia.color import rgb_to_grayscale

    return rgb_to_grayscale(x)


def saturate(x: Tensor, factor: Tensor) -> Tensor:
    """Colours as factor x + (1 - factor) grey: 0 leaves no colour, 1 all of it."""
    return torch.lerp(greys(x), x, _over(factor, x))


def turn_hue(x: Tensor, turns: Tensor) -> Tensor:
    """Hues moved along the circle by ``turns`` of it; images where that is 0 stay exactly as they are.

    A pixel keeps its largest and its least channel, so scale and origin of an image do not matter; it is brought to
    [0, 1], where HSV is defined.
    """
    from kornia.color import hsv_to_rgb, rgb_to_hsv

    least = x.amin((1, 2, 3), keepdim=True)
    span = (x.amax((1, 2, 3), keepdim=True) - least).clamp(min=torch.finfo(x.dtype).tiny)
    hue, saturation, value = rgb_to_hsv((x - least) / span).unbind(1)
    hue = (hue + 2 * math.pi * turns[:, None, None]) % (2 * math.pi)
    turned = hsv_to_rgb(torch.stack((hue, saturation, value), dim=1)) * span + least
    return torch.where(_over(turns == 0, x), x, turned)


def discolour(x: Tensor, chosen: Tensor) -> Tensor:
    """Grey in all channels where asked."""
    return torch.where(_over(chosen, x), greys(x), x)


def blur(x: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur by ``sigma`` pixels, separable, beyond the edge the edge's pixel; sigma = 0 changes nothing.

    The kernel is about a tenth of the longer side, as for SimCLR's (Chen et al., ICML 2020), odd and at least 3: it
    is 3 up to 28 pixels, 5 for 32 and 23 for 224.
    """
    from kornia.filters import filter2d_separable, get_gaussian_kernel1d

    size = 2 * max(1, round(max(x.shape[-2:]) / 20)) + 1
    kernel = get_gaussian_kernel1d(size, sigma[:, None])
    return filter2d_separable(x, kernel, kernel, "replicate")


def _centres(x: Tensor, count: int) -> Tensor:
    """Centres of ``count`` pixels on a side that goes from -1 to 1."""
    return (2 * torch.arange(count, device=x.device, dtype=x.dtype) + 1) / count - 1


def _over(values: Tensor, x: Tensor) -> Tensor:
    """One value a sample as [n, 1, 1, 1]."""
    return values.reshape(len(x), 1, 1, 1)
