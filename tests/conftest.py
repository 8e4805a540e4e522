"""Tests run one thread each, so that several fit beside each other and sums keep their order."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)
