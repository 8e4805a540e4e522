"""The study of ReSSL: every run is a configuration that checks, and its tables are what its runs say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from fedkd.build import build
from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.records import History
from sims import options
from sims.evaluate import evaluate
from sims.figures import ressl
from sims.ressl.few_labels import RIVALS, labelled_samples, trained, viewed
from sims.ressl.grounds import (
    ABLATIONS,
    CENTRAL,
    COMMON,
    DIGITS,
    ENCODERS,
    FASHION,
    FEDERATED,
    LINKS,
    MANY,
    SKEWED,
    TINY,
    ground_of,
)

pytestmark = pytest.mark.xdist_group("ressl")
EXPECTED = {"ablations": 2 * len(ABLATIONS)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("ressl")
    ressl.main(["--quick", "parts=links,fashion", f"output={found}"])
    return found
