"""Every algorithm of the table equals an independent restatement of its recursion, round by round."""

import numpy as np
import pytest

from fedkd.federation import run
from tests.equivalence.quadratic import CLIENTS, DIM, RATE, ROWS, SAMPLES, SEED, STEP_SIZE, Case, data, federation
from tests.equivalence.restatement import Restated

ROUNDS = 60
ERROR_FEEDBACK = {"doublesqueeze": 1.0, "dore": 0.8, "dist_ef_sgd": 1.0}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("estimator", ["PP1", "PP2"])
@pytest.mark.parametrize("name", ROWS)
def test_sixty_rounds_equal_the_restatement(name, estimator):
    x, y = data()

    def gradient(i, w):
        return x[i].T @ (x[i] @ w - y[i]) / SAMPLES

    restated = Restated(name, gradient, DIM, CLIENTS, STEP_SIZE, RATE, ERROR_FEEDBACK.get(name), SEED)
    whole, model = federation(Case(name, estimator))
    seen = 0
    for state, report in run(whole, whole.algorithm.start(model), ROUNDS):
        expected = restated.round(report.round)
        np.testing.assert_allclose(state.model.numpy(), expected, rtol=0, atol=1e-10)
        seen += 1
    assert seen == ROUNDS
