"""Views of images: what the student sees of a sample, and what the teacher sees of it.

Contrastive: random resized crop, mirroring, colour jitter, grey, blur; weak: crop and mirroring (M. Zheng et al.,
"ReSSL", NeurIPS 2021, arXiv 2107.09282). A view is a function of the samples and of uniform numbers that the caller
draws from a key.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import torch

from fedkd.errors import ConfigurationError
from fedkd.tasks.checks import require_choice, require_fraction, require_not_negative, require_within
from fedkd.tasks.ressl import augmentations
from fedkd.tasks.ressl.augmentations import Range, within

if TYPE_CHECKING:
    from torch import Tensor

TeacherView = Literal["weak", "contrastive"]


class Draws(NamedTuple):
    """What one view of a sample takes, each uniform in [0, 1). Shapes: [n] each."""

    area: Tensor
    ratio: Tensor
    left: Tensor
    top: Tensor
    flip: Tensor
    jitter: Tensor
    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    grey: Tensor
    blur: Tensor
    sigma: Tensor


_NUMBERS = len(Draws._fields)
MOST_CROPS = 64


@dataclass(frozen=True)
class Views:
    """How views of standardised images are made; what has probability or strength 0 costs nothing.

    Every view has its own numbers in its own place, whatever the fields are: two runs that differ in one field see
    the same crops.

    Args:
        crops: contrastive views of each sample, in [1, 64]; each is as large as the sample.
        scale: least and most area of a contrastive crop, in parts of the image, in (0, 1].
        ratio: least and most ratio of a crop's width to its height, for square images; least <= 1 <= most. Of others,
            relative to the image's own. The weak crop's, too.
        flip: probability that a contrastive view is mirrored left to right, in [0, 1].
        jitter: probability of the four changes below, in [0, 1].
        brightness: the image is moved by up to this many standard deviations of the data set, >= 0.
        contrast: deviations from the image's mean are scaled by 1 - contrast to 1 + contrast, in [0, 1].
        saturation: deviations from grey are scaled by 1 - saturation to 1 + saturation, in [0, 1]; colour only.
        hue: hues are turned by up to this part of the circle in both directions, in [0, 0.5]; colour only.
        grey: probability that a contrastive view loses its colours, in [0, 1]; colour only.
        blur: probability that a contrastive view is blurred, in [0, 1].
        blur_sigma: least and most deviation of the blur, in pixels, > 0.
        weak_scale: least and most area of a weak crop, in (0, 1]; [1, 1] is no crop.
        weak_flip: probability that a weak view is mirrored, in [0, 1].
        teacher: what the teacher sees: a weak view (the paper), or for ablations a contrastive one.

    Shapes: x [n, c, h, w] of any floating dtype; u [n, numbers] on the same device.

    Example:
        >>> views.weak(x, key.uniforms(views.numbers, x.device)).shape == x.shape  # key has a row for each sample
        True
    """

    crops: int
    scale: Range
    ratio: Range
    flip: float
    jitter: float
    brightness: float
    contrast: float
    saturation: float
    hue: float
    grey: float
    blur: float
    blur_sigma: Range
    weak_scale: Range
    weak_flip: float
    teacher: TeacherView

    def __post_init__(self) -> None:
        require_within("Views", "crops", self.crops, 1, MOST_CROPS)
        for name in ("flip", "jitter", "contrast", "saturation", "grey", "blur", "weak_flip"):
            require_fraction("Views", name, getattr(self, name))
        require_choice("Views", "teacher", self.teacher, get_args(TeacherView))
        require_not_negative("Views", "brightness", self.brightness)
        if not 0 <= self.hue <= 0.5:
            raise ConfigurationError(f"Views: hue={self.hue} is outside [0, 0.5]; choose 0 <= hue <= 0.5")
        _require_range("scale", self.scale, 1.0)
        _require_range("weak_scale", self.weak_scale, 1.0)
        _require_range("ratio", self.ratio, math.inf)
        _require_range("blur_sigma", self.blur_sigma, math.inf)
        if not self.ratio[0] <= 1 <= self.ratio[1]:
            raise ConfigurationError(
                f"Views: ratio={list(self.ratio)} leaves out 1, with which large crops fit; choose least <= 1 <= most"
            )

    @property
    def numbers(self) -> int:
        """Uniform numbers that a sample takes: of the weak view, then of each contrastive one."""
        return _NUMBERS * (1 + self.crops)

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse samples that are no images, and changes of colour where there is none.

        Raises:
            ConfigurationError: in one line.
        """
        if len(shape) != 3 or min(shape) < 1:
            raise ConfigurationError(
                f"Views: samples of shape {list(shape)} are not images [channels, height, width]; "
                "choose a data set of images"
            )
        for name in ("saturation", "hue", "grey"):
            value = getattr(self, name)
            if value and shape[0] != 3:
                raise ConfigurationError(f"Views: {name}={value} needs 3 channels, not {shape[0]}; choose {name}=0")

    def weak(self, x: Tensor, u: Tensor) -> Tensor:
        """The teacher's view of each sample, [n, c, h, w]."""
        wide, draws = _widened(x), _draws(x, u[:, :_NUMBERS])
        if self.teacher == "contrastive":
            return self._contrastive(wide, draws).to(x.dtype)
        return _cropped(wide, draws, self.weak_scale, self.ratio, self.weak_flip).to(x.dtype)

    def contrastive(self, x: Tensor, u: Tensor) -> Tensor:
        """The student's views, [crops * n, c, h, w]: the first of every sample, then the second of every sample."""
        mine = u[:, _NUMBERS : self.numbers].reshape(len(u), self.crops, _NUMBERS)
        draws = _draws(x, mine.transpose(0, 1).flatten(0, 1))
        samples = _widened(x).expand(self.crops, *x.shape).flatten(0, 1)
        return self._contrastive(samples, draws).to(x.dtype)

    def _contrastive(self, x: Tensor, draws: Draws) -> Tensor:
        x = _cropped(x, draws, self.scale, self.ratio, self.flip)
        if self.jitter:
            x = self._jittered(x, draws)
        if self.grey:
            x = augmentations.discolour(x, draws.grey < self.grey)
        if self.blur:
            x = augmentations.blur(x, within(self.blur_sigma, draws.sigma) * (draws.blur < self.blur))
        return x

    def _jittered(self, x: Tensor, draws: Draws) -> Tensor:
        """Strengths times -1 to 1, and times 0 for the samples that are left alone."""
        drawn = draws.jitter < self.jitter

        def around(strength: float, u: Tensor) -> Tensor:
            return within((-strength, strength), u) * drawn

        if self.brightness or self.contrast:
            shift = around(self.brightness, draws.brightness)
            x = augmentations.light(x, shift, 1 + around(self.contrast, draws.contrast))
        if self.saturation:
            x = augmentations.saturate(x, 1 + around(self.saturation, draws.saturation))
        if self.hue:
            x = augmentations.turn_hue(x, around(self.hue, draws.hue))
        return x


def _widened(x: Tensor) -> Tensor:
    """Samples of at least single precision: in less, places of pixels would be rounded."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _draws(x: Tensor, u: Tensor) -> Draws:
    return Draws(*u.to(torch.promote_types(x.dtype, torch.float32)).unbind(1))


def _cropped(x: Tensor, draws: Draws, scale: Range, ratio: Range, flip: float) -> Tensor:
    """Crop and mirroring in one resampling; without a crop, mirroring moves pixels and resamples nothing."""
    mirrored = draws.flip < flip
    if scale[0] < 1:
        where = augmentations.box(scale, ratio, draws.area, draws.ratio, draws.left, draws.top)
        return augmentations.crop(x, where, mirrored)
    return augmentations.mirror(x, mirrored) if flip else x


def _require_range(name: str, value: Range, most: float) -> None:
    """Refuse what is not two numbers, the first above zero, in order, the second finite and at most ``most``."""
    if len(value) != 2 or not (0 < value[0] <= value[1] <= most and value[1] < math.inf):
        bound = f" <= {most:g}" if most < math.inf else ""
        raise ConfigurationError(
            f"Views: {name}={list(value)} is not [least, most]; choose two numbers, 0 < least <= most{bound}"
        )
