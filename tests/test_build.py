"""What only the data can tell is one line, before any training."""

import numpy as np
import pytest

from fedkd.build import build
from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.errors import ConfigurationError


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            np.where(np.arange(40) % 2, 1.0, -1.0),
            "has real targets, not classes; choose task=logistic",
        ),
        (np.arange(40) % 4, "has 0 test samples, needs 1; set data.test_fraction"),
    ],
)
def test_data_that_do_not_fit_the_task_are_named(tmp_path, y, message):
    path = tmp_path / "set.npz"
    np.savez(path, x=np.ones((40, 3)), y=y)
    overrides = ["data=npz", f"data.path={path}", "task=supervised", "clients=2", "partitioner=iid"]
    settings = Settings.of(compose(overrides))
    check(settings)
    with pytest.raises(ConfigurationError, match=message):
        build(settings, lambda _: None)
