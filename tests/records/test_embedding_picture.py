"""Test samples in the plane: what is kept, and how it is drawn."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from fedkd.errors import ConfigurationError
from fedkd.records import write_report
from fedkd.records.embedding_picture import Embedding, embedding_picture, read_embedding, write_embedding

STREAM = np.random.default_rng(0)


def _labels(classes: int, count: int = 120) -> np.ndarray:
    return np.arange(count) % classes


def test_what_was_written_is_read(tmp_path):
    """Two features that are uncorrelated, the second one wider: the plane has them in the other order."""
    features = np.array([[1.0, 20.0], [-1.0, 20.0], [1.0, -20.0], [-1.0, -20.0]])
    write_embedding(tmp_path, features, np.array([3, 1, 3, 1]))
    found = read_embedding(tmp_path)
    assert np.abs(found.points) == pytest.approx(np.abs(features[:, ::-1]), abs=0.01)
    assert found.labels.tolist() == [3, 1, 3, 1]


def test_a_thousand_samples_from_all_over_are_kept_in_few_digits(tmp_path):
    labels = np.arange(2500)
    heights = labels * 7 % 2500
    write_embedding(tmp_path, 1e-6 * np.tile(heights[:, None], 16), labels)
    found = read_embedding(tmp_path)
    assert found.points.shape == (1000, 2)
    assert (found.labels[0], found.labels[-1]) == (0, 2499)
    assert np.diff(found.labels).max() == 3
    assert (tmp_path / "embedding.json").stat().st_size < 40_000
    assert np.corrcoef(found.points[:, 0], heights[found.labels])[0, 1] > 0.999


def test_features_that_are_not_finite_leave_nothing(tmp_path):
    write_embedding(tmp_path, np.array([[1.0, np.nan], [0.0, 1.0]]), np.array([0, 1]))
    assert read_embedding(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_features_that_are_all_the_same_are_one_point(tmp_path):
    write_embedding(tmp_path, np.ones((5, 3)), np.arange(5))
    assert not read_embedding(tmp_path).points.any()
    assert "<svg" in embedding_picture(read_embedding(tmp_path))


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"points": [[1, 2]], "labels": []}', '{"points": [[1]], "labels": [1]}']
)
def test_a_damaged_file_is_named_in_one_line(tmp_path, content):
    (tmp_path / "embedding.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"embedding\.json: .*; delete it$"):
        read_embedding(tmp_path)


@pytest.mark.parametrize(("classes", "shown"), [(2, True), (10, True), (30, True), (31, False)])
def test_classes_have_looks_and_a_legend_as_far_as_they_can_be_told_apart(classes, shown):
    picture = embedding_picture(Embedding(STREAM.normal(size=(120, 2)), _labels(classes)))
    words = re.findall(r"<text[^>]*>([^<]*)</text>", picture)
    assert [word for word in words if word.isdecimal()] == [str(label) for label in range(classes if shown else 0)]
    assert "#0a0b" not in picture
    assert "#0a0c" not in picture
    assert len(set(re.findall(r"series-\d", picture))) == min(classes, 6)


def test_every_sample_is_a_dot():
    """And every class has one more in the legend."""
    picture = embedding_picture(Embedding(STREAM.normal(size=(120, 2)), _labels(10)))
    assert len(re.findall(r"<use ", picture)) >= 120 + 10
    assert 'aria-label="120 test samples of 10 classes by two principal components"' in picture


def test_the_page_shows_it_where_it_is(tmp_path, leave):
    folder = leave(tmp_path)
    without = write_report(folder).read_text()
    write_embedding(folder, STREAM.normal(size=(50, 4)), _labels(10, 50))
    page = write_report(folder).read_text()
    assert page.count("<figure") == without.count("<figure") + 1
    assert ("first principal component" in page, "first principal component" in without) == (True, False)
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)


def test_the_file_is_plain(tmp_path):
    write_embedding(tmp_path, STREAM.normal(size=(4, 3)), np.arange(4))
    content = json.loads((tmp_path / "embedding.json").read_text())
    assert list(content) == ["points", "labels"]
    assert [len(point) for point in content["points"]] == [2, 2, 2, 2]
