"""A receiver in another process, with nothing but bytes, keys and operators, decodes the same rows."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import fedkd_compression
from fedkd_compression import QSGD, Float16, Identity, Key, RandK, SubtractiveDither, TopK, compress

DIM = 5000
OPERATORS = (
    Identity(),
    Float16(),
    QSGD(levels=4),
    QSGD(levels=1, norm="max"),
    SubtractiveDither(step=1.0),
    SubtractiveDither(step=0.01),
    RandK(k=50),
    TopK(fraction=0.01),
)
RECEIVER = """
import base64, hashlib, json, sys
from fedkd_compression import *
for line in sys.stdin:
    message = json.loads(line)
    frame = base64.b64decode(message["frame"])
    rows = decompress(eval(message["operator"]), [frame], Key.of(5, "process", message["i"]), message["dim"])
    print(hashlib.sha256(rows.numpy().tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_bytes_alone_are_enough():
    rows = torch.randn(1, DIM, generator=torch.Generator().manual_seed(1)) ** 3
    lines, expected = [], []
    for i, operator in enumerate(OPERATORS):
        frames, received = compress(operator, rows, Key.of(5, "process", i))
        frame = base64.b64encode(frames[0]).decode()
        lines.append(json.dumps({"operator": repr(operator), "frame": frame, "dim": DIM, "i": i}))
        expected.append(_sha256(received))
    package = str(Path(fedkd_compression.__file__).parents[1])
    found = subprocess.run(
        [sys.executable, "-c", RECEIVER],
        input="\n".join(lines),
        env={**os.environ, "PYTHONPATH": package},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == expected


def _sha256(rows):
    return hashlib.sha256(rows.numpy().tobytes()).hexdigest()
