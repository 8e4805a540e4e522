"""Classifiers on vectors that are small enough for hand arithmetic, and against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from fedkd.probes import Features
from fedkd.probes.classifiers import few_shot, linear, neighbours, normalised
from fedkd.probes.draws import labelled
from fedkd_compression import Key

KEY = Key.of(0, "classifiers")


def cloud(count: int, spread: float, seed: int = 0, classes: int = 3) -> Features:
    """Classes around the unit vectors."""
    stream = np.random.default_rng(seed)
    y = np.arange(count) % classes
    return Features(np.eye(classes)[y] + spread * stream.normal(size=(count, classes)), y)


def test_prototypes_are_means_of_directions() -> None:
    """Class 0 has 1 and 2j, so its prototype points at 45 degrees whatever the lengths; class 1 has -1 twice.

    (1, 3) is nearer to class 0, and so is (-1, 3) with a cosine of .45 against .32; (-3, 1) is nearer to class 1.
    """
    reference = Features(np.array([[1.0, 0], [0, 2], [-1, 0], [-9, 0]]), np.array([0, 0, 1, 1]))
    test = Features(np.array([[1.0, 3], [-1, 3], [-3, 1]]), np.array([0, 0, 1]))
    assert few_shot(reference, test, 2, 3, KEY).tolist() == [1, 1, 1]
    flipped = Features(test.x, np.array([1, 0, 1]))
    assert few_shot(reference, flipped, 2, 1, KEY) == pytest.approx([2 / 3])


@pytest.mark.parametrize("shots", [1, 4])
def test_episodes_together_are_a_loop_over_episodes(shots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, test = cloud(30, 0.8), cloud(50, 0.8, seed=1)
    expected = []
    for rows in labelled(reference.y, shots, 11, KEY):
        means = [np.mean([x / np.linalg.norm(x) for x in reference.x[row]], axis=0) for row in rows]
        cosines = [[x @ mean / np.linalg.norm(mean) for mean in means] for x in test.x]
        expected.append(np.mean(np.argmax(cosines, axis=1) == test.y))
    assert few_shot(reference, test, shots, 11, KEY) == pytest.approx(expected)
    monkeypatch.setattr("fedkd.probes.classifiers.TOGETHER", 3 * 50 * 4)
    assert few_shot(reference, test, shots, 11, KEY) == pytest.approx(expected)


def test_more_shots_are_better_and_vary_less() -> None:
    reference, test = cloud(300, 0.7), cloud(300, 0.7, seed=1)
    one, ten = (few_shot(reference, test, shots, 200, KEY) for shots in (1, 10))
    assert ten.mean() > one.mean() + 0.1
    assert ten.std() < one.std()


def test_a_class_that_no_reference_has_is_never_found() -> None:
    test = Features(np.eye(3), np.array([0, 1, 5]))
    assert few_shot(cloud(9, 0.0), test, 2, 2, KEY) == pytest.approx([2 / 3, 2 / 3])
    assert neighbours(cloud(9, 0.0), test, 3) == pytest.approx(2 / 3)


def test_classes_need_not_be_counted_from_zero() -> None:
    reference, test = cloud(30, 0.5), cloud(50, 0.5, seed=1)
    names = np.array([9, 4, 7])
    renamed = [Features(each.x, names[each.y]) for each in (reference, test)]
    assert neighbours(*renamed, 3) == neighbours(reference, test, 3)
    assert few_shot(*renamed, 10, 1, KEY) == pytest.approx(few_shot(reference, test, 10, 1, KEY))
    assert linear(*renamed, 0, 1, KEY) == pytest.approx(linear(reference, test, 0, 1, KEY))


def test_a_majority_of_neighbours_by_angle_decides() -> None:
    """(9, 1) lies nearest to the long vector of class 1, but two of its three neighbours are of class 0."""
    reference = Features(np.array([[90.0, 10], [1, 0], [1, 0.3], [0, 1], [-1, 0]]), np.array([1, 0, 0, 1, 1]))
    test = Features(np.array([[9.0, 1]]), np.array([0]))
    assert neighbours(reference, test, 3) == 1
    assert neighbours(reference, test, 1) == 0


def test_a_linear_layer_separates_what_a_plane_separates_at_any_scale() -> None:
    reference, test = cloud(60, 0.1), cloud(60, 0.1, seed=1)
    scale, shift = np.array([1e-4, 1e-4, 1e4]), 5.0
    moved = [Features(each.x * scale + shift, each.y) for each in (reference, test)]
    assert linear(reference, test, 0, 1, KEY).tolist() == [1]
    assert linear(*moved, 0, 1, KEY).tolist() == [1]


def test_few_labels_are_drawn_several_times() -> None:
    reference, test = cloud(90, 0.6), cloud(90, 0.6, seed=1)
    few, every = linear(reference, test, 1, 8, KEY), linear(reference, test, 0, 8, KEY)
    assert (few.shape, every.shape) == ((8,), (1,))
    assert few.std() > 0
    assert every[0] > few.mean()
    assert np.array_equal(few, linear(reference, test, 1, 8, KEY))


def test_a_layer_that_was_stopped_early_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedkd.probes.classifiers.STEPS", 1)
    assert 0 <= linear(cloud(60, 0.5), cloud(60, 0.5, seed=1), 0, 1, KEY)[0] <= 1


def test_rows_are_at_length_one_but_zeros() -> None:
    assert normalised(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [[0.6, 0.8], [0, 0]]
