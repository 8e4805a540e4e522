"""The configured probes: what they say, of what, and what they refuse."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from fedkd.errors import ConfigurationError
from fedkd.probes import Features, Probes, Score
from fedkd_compression import Key

PROBES = Probes(shots=(1, 5), episodes=20, neighbours=5, labels=3, draws=4, at_most=60)
NAMES = ["accuracy_1_shot", "accuracy_5_shot", "accuracy_knn", "accuracy_probe"]
KEY = Key.of(0, "probes")


def cloud(count: int, seed: int, spread: float = 0.5) -> Features:
    stream = np.random.default_rng(seed)
    y = np.arange(count) % 4
    return Features(np.eye(8)[y] + spread * stream.normal(size=(count, 8)), y)


def test_there_is_an_accuracy_a_probe() -> None:
    found = PROBES.measure(cloud(60, 0), cloud(80, 1), KEY)
    assert list(found) == NAMES
    assert all(0.25 < value <= 1 for value in found.values())


def test_what_is_said_is_a_function_of_the_key() -> None:
    reference, test = cloud(90, 0), cloud(80, 1)
    assert PROBES.measure(reference, test, KEY) == PROBES.measure(reference, test, KEY)
    assert PROBES.measure(reference, test, KEY) != PROBES.measure(reference, test, Key.of(1))


def test_what_is_drawn_has_a_spread() -> None:
    scores = PROBES.scores(cloud(60, 0), cloud(80, 1), KEY)
    assert [name for name, score in scores.items() if score.spread is None] == ["accuracy_knn"]
    assert {name: score.mean for name, score in scores.items()} == PROBES.measure(cloud(60, 0), cloud(80, 1), KEY)
    once = replace(PROBES, labels=0, episodes=1).scores(cloud(60, 0), cloud(80, 1), KEY)
    assert [score.spread for score in once.values()] == [None] * 4


def test_a_spread_is_the_deviation_of_a_sample() -> None:
    assert Score.of(np.array([0.0, 1.0])) == (0.5, pytest.approx(math.sqrt(0.5)))


def test_of_a_larger_reference_the_chosen_count() -> None:
    reference, test = cloud(200, 0), cloud(80, 1)
    rows = PROBES.chosen(reference.y, KEY)
    assert np.bincount(reference.y[rows]).tolist() == [15, 15, 15, 15]
    assert PROBES.measure(reference.take(rows), test, KEY) == PROBES.measure(reference, test, KEY)


def test_features_without_information_are_at_chance() -> None:
    collapsed = [Features(np.ones_like(each.x), each.y) for each in (cloud(60, 0), cloud(80, 1))]
    assert list(PROBES.measure(*collapsed, KEY).values()) == pytest.approx([0.25] * 4)


def test_features_that_are_not_finite_have_no_accuracy() -> None:
    broken = cloud(60, 0)
    broken.x[3, 2] = np.inf
    for reference, test in ((broken, cloud(80, 1)), (cloud(60, 0), broken)):
        found = PROBES.measure(reference, test, KEY)
        assert list(found) == NAMES
        assert all(map(math.isnan, found.values()))


@pytest.mark.parametrize(
    ("field", "value"),
    [("shots", (1, 0)), ("episodes", 0), ("neighbours", 0), ("labels", -1), ("draws", 0), ("at_most", 0)],
)
def test_values_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=rf"Probes: {field}=.* is outside"):
        replace(PROBES, **{field: value})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"shots": (1, 16)}, "shots=16 exceeds the 15 reference samples of class 0; choose shots <= 15 or a larger at"),
        ({"labels": 20, "at_most": 100}, "labels=20 exceeds the 15 reference samples of class 0; choose labels <= 15$"),
        ({"neighbours": 61}, "neighbours=61 exceeds the 60 reference samples"),
        ({"at_most": 1}, "the reference has 1 class"),
    ],
)
def test_a_reference_that_cannot_serve_is_refused_in_one_line(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        replace(PROBES, **changes).chosen(cloud(60, 0).y, KEY)
    assert "\n" not in str(caught.value)


def test_without_shots_there_are_the_other_two() -> None:
    assert list(replace(PROBES, shots=()).measure(cloud(60, 0), cloud(80, 1), KEY)) == NAMES[2:]
