"""A search's test split comes out of the public samples and leaves all else as it is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from fedkd.data import Dataset, Digits, HeldOut, Hierarchical, Libsvm, Split
from fedkd.errors import ConfigurationError
from fedkd_compression.keys import Key

KEY = Key.of(0, "data")
DIGITS = Digits(samples=300, public=200, test=0)


def rows(split: Split) -> set[bytes]:
    return {sample.numpy().tobytes() + label.numpy().tobytes() for sample, label in zip(split.x, split.y, strict=True)}


def test_held_out_and_public_samples_share_the_former_public_ones() -> None:
    whole, held = DIGITS.load(KEY), HeldOut(DIGITS, 80).load(KEY)
    assert (len(held.test), len(held.public)) == (80, 120)
    assert rows(held.test) | rows(held.public) == rows(whole.public)
    assert not rows(held.test) & rows(held.public)


def test_the_clients_samples_stay_and_no_test_sample_is_seen() -> None:
    whole, held = DIGITS.load(KEY), HeldOut(DIGITS, 80).load(KEY)
    assert torch.equal(whole.train.x, held.train.x)
    assert torch.equal(whole.train.y, held.train.y)
    assert not rows(whole.test) & (rows(held.test) | rows(held.public))


def test_the_key_chooses() -> None:
    source = HeldOut(DIGITS, 80)
    assert source.load(KEY).sha256() == source.load(KEY).sha256()
    whole = DIGITS.load(KEY)
    assert rows(_Fixed(whole, 80).load(Key.of(1, "data")).test) != rows(_Fixed(whole, 80).load(KEY).test)


def test_all_public_samples_can_be_held_out() -> None:
    held = HeldOut(DIGITS, 200).load(KEY)
    assert (len(held.test), len(held.public)) == (200, 0)


def test_a_set_sorted_by_class_is_held_out_across_classes() -> None:
    source = Hierarchical(2, 5, 10, 40, 5, 4, "flat", 1.0, 0.5, 1.0)
    counts = np.bincount(HeldOut(source, 200).load(KEY).test.y, minlength=10)
    # Hypergeometric: 20 a class, with a deviation of sqrt(200 x .1 x .9 x 200/399) = 3.
    assert np.all(np.abs(counts - 20) < 5 * 3)
    assert counts.std() > 0


def test_what_is_known_before_loading_is_the_wrapped_sources() -> None:
    source = HeldOut(DIGITS, 80)
    source.check()
    assert (source.available(), source.outline()) == (DIGITS.available(), DIGITS.outline())
    with pytest.raises(ConfigurationError, match=r"missing\.libsvm"):
        HeldOut(Libsvm("missing.libsvm", "binary", "none", True, 0.0), 10).check()


@pytest.mark.parametrize(
    ("samples", "match"), [(0, "samples=0 is not in"), (201, "samples=201 exceeds the 200 public samples")]
)
def test_what_does_not_fit_is_refused(samples: int, match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        HeldOut(DIGITS, samples).load(KEY)


@dataclasses.dataclass(frozen=True)
class _Fixed:
    """HeldOut on samples that do not depend on the key."""

    whole: Dataset
    samples: int

    def load(self, key: Key) -> Dataset:
        class Given(Digits):
            def load(given, key: Key) -> Dataset:  # noqa: N805
                return self.whole

        return HeldOut(Given(300, 200, 0), self.samples).load(key)
