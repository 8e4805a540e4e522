"""Tests run one thread each, so that several fit beside each other and sums keep their order."""

from collections import Counter

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of a test marked ``sampled(k)`` all cases but the first, the k+1-st, ... are left to `make exhaustive`."""
    seen = Counter()
    for item in items:
        sampled = item.get_closest_marker("sampled")
        if sampled is not None:
            test = item.nodeid.partition("[")[0]
            if seen[test] % sampled.args[0]:
                item.add_marker(pytest.mark.exhaustive)
            seen[test] += 1
