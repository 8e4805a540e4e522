"""Twenty rounds of every algorithm, kept: a change that moves one says so in CHANGELOG under "Numbers moved".

Each row of trajectories.json is [bytes up, bytes down, model ...] after one round of the quadratic problem of
tests/equivalence with Bernoulli(0.6) participation. Written anew by ``python -m tests.golden.test_trajectories``.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from fedkd.clients import Bernoulli
from fedkd.federation import run
from tests.equivalence.quadratic import ROWS, Case, federation

FILE = Path(__file__).with_name("trajectories.json")
ROUNDS = 20


def trajectory(name: str) -> list[list[float]]:
    whole, model = federation(Case(name, participation=Bernoulli(0.6)))
    return [
        [report.bytes_up, report.bytes_down, *state.model.tolist()]
        for state, report in run(whole, whole.algorithm.start(model), ROUNDS)
    ]


@pytest.mark.parametrize("name", ROWS)
def test_trajectory_has_not_moved(name):
    kept = np.array(json.loads(FILE.read_text())[name])
    now = np.array(trajectory(name))
    assert kept.shape[0] == ROUNDS
    np.testing.assert_array_equal(now[:, :2], kept[:, :2])
    np.testing.assert_allclose(now[:, 2:], kept[:, 2:], rtol=0, atol=1e-10)


def _write() -> None:
    rows = {name: trajectory(name) for name in ROWS}
    text = ",\n".join(
        f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in table) + "\n]" for name, table in rows.items()
    )
    FILE.write_text("{\n" + text + "\n}\n")


if __name__ == "__main__":
    _write()
