"""Cohorts are functions of the key, with the probability that they promise."""

import math

import pytest

from fedkd.clients import Bernoulli, FixedCohort, Full
from fedkd.errors import ConfigurationError
from fedkd.keys import key

CLIENTS, ROUNDS = 40, 500
SIGMAS = 5


@pytest.mark.parametrize("law", [Bernoulli(0.3), FixedCohort(12)])
def test_every_client_takes_part_with_the_stated_probability(law):
    p = law.probability(CLIENTS)
    counts = [0] * CLIENTS
    for round_ in range(ROUNDS):
        for client in law.draw(CLIENTS, key(1, "participation", round_)):
            counts[client] += 1
    bound = SIGMAS * math.sqrt(ROUNDS * p * (1 - p))
    assert all(abs(count - ROUNDS * p) < bound for count in counts)
    assert abs(sum(counts) - CLIENTS * ROUNDS * p) < SIGMAS * math.sqrt(CLIENTS * ROUNDS * p * (1 - p))


@pytest.mark.parametrize("law", [Full(), Bernoulli(0.5), FixedCohort(7)])
def test_cohorts_are_sorted_distinct_and_repeatable(law):
    stream = key(3, "participation", 9)
    cohort = law.draw(CLIENTS, stream)
    assert cohort == tuple(sorted(set(cohort))) == law.draw(CLIENTS, stream)
    assert set(cohort) <= set(range(CLIENTS))


def test_full_is_everyone():
    assert Full().draw(3, key(0, "participation")) == (0, 1, 2)


def test_fixed_cohort_has_its_size():
    assert {len(FixedCohort(7).draw(CLIENTS, key(0, "participation", k))) for k in range(20)} == {7}


def test_wrong_values_are_named():
    with pytest.raises(ConfigurationError, match=r"Bernoulli: p=0 is outside \(0, 1\]"):
        Bernoulli(0.0)
    with pytest.raises(ConfigurationError, match="FixedCohort: size=5 exceeds clients=4; choose size <= clients"):
        FixedCohort(5).check(4)
