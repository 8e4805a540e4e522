"""Small frames that ask for much are refused at once, without the memory that they ask for."""

import os
import subprocess
import sys
import time

import pytest

from fedkd_compression import WireError, decompress
from tests.fuzz import memory
from tests.fuzz.bombs import BOMBS, DIM
from tests.fuzz.forge import KEY

SECONDS = 0.05
RUNS = 3
NOISE = 16 << 20
"""Bytes by which a process grows in any case: arenas, caches of compiled code."""
IN_A_PROCESS_OF_THEIR_OWN = """
from tests.fuzz import memory
from tests.fuzz.bombs import BOMBS
from tests.fuzz.test_size_bombs import _refused
bombs = [make() for make in BOMBS.values()]
_refused(bombs[0])
before = memory.resident()
for bomb in bombs:
    _refused(bomb)
print(memory.resident() - before)
"""


@pytest.mark.parametrize("name", BOMBS)
def test_it_is_refused_at_once_and_takes_no_memory(name):
    bomb = BOMBS[name]()
    message = _refused(bomb)
    assert message.startswith("frame: ")
    assert "\n" not in message
    assert min(_seconds(bomb) for _ in range(RUNS)) < SECONDS
    assert memory.traced(lambda: _refused(bomb)) <= memory.bound(bomb.dim)


@pytest.mark.slow
def test_together_they_take_none_of_the_memory_that_torch_allocates():
    command = [sys.executable, "-c", IN_A_PROCESS_OF_THEIR_OWN]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    assert int(done.stdout) <= memory.bound(DIM) + NOISE


def test_there_are_forty():
    assert len(BOMBS) >= 40


def _refused(bomb):
    with pytest.raises(WireError) as refusal:
        decompress(bomb.operator, [bomb.frame], KEY, bomb.dim)
    return str(refusal.value)


def _seconds(bomb):
    start = time.perf_counter()
    _refused(bomb)
    return time.perf_counter() - start
