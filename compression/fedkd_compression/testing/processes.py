"""The law of the second process: a new interpreter that has bytes, keys and operators, and nothing else."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import warnings
from functools import cache
from typing import IO, TYPE_CHECKING, cast

import torch

from fedkd_compression.compressor import compress
from fedkd_compression.testing.law import law
from fedkd_compression.testing.rows import same
from fedkd_compression.testing.travel import NotTravellingError, packed

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression.keys import Key
    from fedkd_compression.operators.base import Operator


class NotCheckedWarning(UserWarning):
    """A law could not be checked; the message says why, and what to do."""


@law()
def another_process_decodes(operator: Operator, x: Tensor, key: Key) -> None:
    """A new interpreter that is given the bytes, the key and the operator by name decodes the same row."""
    frames, received = compress(operator, x[None], key)
    try:
        message = {"operator": packed(operator), "frame": frames[0].hex(), "key": key.rows[0], "dim": len(x)}
    except NotTravellingError as error:
        _not_checked(str(error))
        return
    answer = _asked(message)
    if "missing" in answer:
        _not_checked(answer["missing"])
        return
    assert "error" not in answer, f"another process: {answer['error']}"
    data = bytearray(bytes.fromhex(answer["row"]))
    row = torch.frombuffer(data, dtype=getattr(torch, answer["dtype"])) if data else received[0][:0]
    same(row, received[0], "rows of another process and of this one")


def start_receiver() -> None:
    """Start the other process, which takes some seconds to import torch, before it is needed."""
    _receiver()


@cache
def _receiver() -> subprocess.Popen[str]:
    """One interpreter for all operators; it ends with this process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fedkd_compression.testing.receiver"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    atexit.register(process.communicate)
    return process


def _asked(message: dict[str, object]) -> dict[str, str]:
    """What the receiver answers."""
    process = _receiver()
    sent, answers = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
    sent.write(json.dumps(message) + "\n")
    sent.flush()
    line = answers.readline()
    assert line, f"the other process ended with status {process.wait()}; its output says why"
    return cast("dict[str, str]", json.loads(line))


def _not_checked(why: str) -> None:
    warnings.warn(f"not checked in another process: {why}", NotCheckedWarning, stacklevel=4)
