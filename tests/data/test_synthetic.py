"""Convex sets have exactly the constants that they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fedkd.data import Dataset, SyntheticLeastSquares, SyntheticLogistic
from fedkd.errors import ConfigurationError
from fedkd_compression.keys import Key

KEY = Key.of(0, "data")
CLIENTS, COUNT, DIM, MU = 6, 40, 8, 0.03


def least_squares(heterogeneity: float = 0.0, noise: float = 0.0) -> Dataset:
    return SyntheticLeastSquares(CLIENTS, COUNT, DIM, MU, heterogeneity, noise).load(KEY)


def logistic(heterogeneity: float = 0.0, noise: float = 0.0) -> Dataset:
    return SyntheticLogistic(CLIENTS, COUNT, DIM, MU, heterogeneity, noise).load(KEY)


def optima(dataset: Dataset) -> torch.Tensor:
    """Least-squares optimum of each client."""
    x, y = dataset.train.x.reshape(CLIENTS, COUNT, DIM), dataset.train.y.reshape(CLIENTS, COUNT, 1)
    solution: torch.Tensor = torch.linalg.lstsq(x, y).solution
    return solution[..., 0]


@pytest.mark.parametrize("dataset", [least_squares(1.0, 1.0), logistic(1.0, 1.0)])
def test_every_client_has_the_same_hessian_with_geometric_eigenvalues(dataset: Dataset) -> None:
    x = dataset.train.x.reshape(CLIENTS, COUNT, DIM)
    hessians = x.transpose(1, 2) @ x / COUNT
    torch.testing.assert_close(hessians, hessians[:1].expand_as(hessians), rtol=0, atol=1e-14)
    expected = torch.logspace(math.log10(MU), 0, DIM, dtype=torch.float64)
    torch.testing.assert_close(torch.linalg.eigvalsh(hessians[0]), expected, rtol=1e-12, atol=0)


def test_without_heterogeneity_and_noise_one_optimum_interpolates_everything() -> None:
    dataset = least_squares()
    solutions = optima(dataset)
    torch.testing.assert_close(solutions, solutions[:1].expand_as(solutions), rtol=0, atol=1e-12)
    torch.testing.assert_close(dataset.train.x @ solutions[0], dataset.train.y, rtol=0, atol=1e-12)
    assert float(solutions[0].norm()) == pytest.approx(1)


def test_heterogeneity_moves_the_clients_optima_but_not_their_mean() -> None:
    common = optima(least_squares())[0]
    near, far = optima(least_squares(heterogeneity=0.5)), optima(least_squares(heterogeneity=2.0))
    torch.testing.assert_close(near.mean(dim=0), common, rtol=0, atol=1e-12)
    torch.testing.assert_close(far - common, 4 * (near - common), rtol=0, atol=1e-11)
    # E|u|^2 = (1 - 1/clients); the sum over clients and coordinates is chi-squared / DIM.
    squares = (near - common).square().sum(dim=1).mean() / 0.25
    freedom = (CLIENTS - 1) * DIM
    assert abs(float(squares) - (1 - 1 / CLIENTS)) < 5 * math.sqrt(2 * freedom) / (CLIENTS * DIM)


def test_noise_has_its_standard_deviation() -> None:
    residual = least_squares(noise=0.3).train.y - least_squares().train.y
    count = CLIENTS * COUNT
    assert abs(float(residual.square().mean()) - 0.09) < 5 * 0.09 * math.sqrt(2 / count)


def test_logistic_labels_are_signs_and_separable_without_noise() -> None:
    labels = logistic().train.y
    assert set(labels.tolist()) == {-1.0, 1.0}
    assert torch.equal(labels, torch.where(least_squares().train.y > 0, 1.0, -1.0).double())


def test_logistic_noise_flips_labels_as_the_logistic_model_says() -> None:
    response = least_squares().train.y
    flipped = (logistic(noise=1.0).train.y * response < 0).double()
    expected = torch.sigmoid(-response.abs())
    tolerance = 5 * float((expected * (1 - expected)).sum().sqrt())
    assert abs(float(flipped.sum() - expected.sum())) < tolerance


def test_owners_classes_and_splits() -> None:
    for dataset, classes in ((least_squares(), 0), (logistic(), 2)):
        assert dataset.owner is not None
        np.testing.assert_array_equal(dataset.owner, np.repeat(np.arange(CLIENTS), COUNT))
        assert (dataset.classes, len(dataset.test), len(dataset.public)) == (classes, 0, 0)
        assert dataset.train.x.dtype == dataset.train.y.dtype == torch.float64


def test_samples_are_a_function_of_the_key_and_known_in_number() -> None:
    source = SyntheticLeastSquares(3, 9, 4, 0.5, 1.0, 1.0)
    assert source.available() == len(source.load(KEY).train) == 27
    assert source.load(KEY).sha256() == source.load(KEY).sha256()
    assert source.load(KEY).sha256() != source.load(Key.of(1, "data")).sha256()


def test_one_dimension_has_eigenvalue_one() -> None:
    x = SyntheticLeastSquares(2, 5, 1, 0.5, 0.0, 0.0).load(KEY).train.x
    assert float(x.square().sum()) / 10 == pytest.approx(1)


@pytest.mark.parametrize("source", [SyntheticLeastSquares, SyntheticLogistic])
@pytest.mark.parametrize(
    ("values", "match"),
    [
        ((0, 10, 5, 0.1, 0.0, 0.0), "clients=0"),
        ((2, 4, 5, 0.1, 0.0, 0.0), "samples_per_client=4 is below dim=5"),
        ((2, 10, 0, 0.1, 0.0, 0.0), "dim=0"),
        ((2, 10, 5, 0.0, 0.0, 0.0), "strong_convexity=0.0"),
        ((2, 10, 5, 1.1, 0.0, 0.0), "strong_convexity=1.1 exceeds 1"),
        ((2, 10, 5, 0.1, -1.0, 0.0), "heterogeneity=-1.0"),
        ((2, 10, 5, 0.1, 0.0, float("nan")), "noise=nan"),
    ],
)
def test_values_out_of_range_are_refused(
    source: type[SyntheticLeastSquares | SyntheticLogistic],
    values: tuple[int, int, int, float, float, float],
    match: str,
) -> None:
    with pytest.raises(ConfigurationError, match=rf"{source.__name__}: {match}.*; choose"):
        source(*values)
