"""Large inputs are shared among threads, whoever calls and wherever."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, get_ident

import numpy as np
import pytest
import torch

import fedkd_compression
from fedkd_compression.kernels import compiled
from fedkd_compression.kernels.compiled.compiler import SMALL, parallel, threads, use_threads

PACKAGE = str(Path(fedkd_compression.__file__).parents[1])
FORKED = """
import os, sys
from threading import Barrier
from fedkd_compression.kernels.compiled.compiler import SMALL, parallel, use_threads

def meet():
    barrier = Barrier(2, timeout=30)
    with use_threads(2):
        parallel(lambda first, last: barrier.wait(), 4, SMALL)

meet()
child = os.fork()
meet()
if child == 0:
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""


def test_threads_are_as_many_as_torch_uses_unless_told():
    former = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert threads() == 3
        with use_threads(2):
            assert threads() == 2
        assert threads() == 3
    finally:
        torch.set_num_threads(former)


def test_two_threads_work_at_the_same_time():
    barrier = Barrier(2, timeout=30)
    with use_threads(2):
        parallel(lambda first, last: barrier.wait(), 4, SMALL)


@pytest.mark.parametrize(("count", "size"), [(1, SMALL), (2, SMALL - 1)])
def test_one_thread_or_a_small_input_stays_with_the_caller(count, size):
    calls = []
    with use_threads(count):
        parallel(lambda first, last: calls.append((first, last, get_ident())), 100, size)
    assert calls == [(0, 100, get_ident())]


@pytest.mark.parametrize("items", [1, 2, 7, 100])
def test_every_item_is_done_once(items):
    done = np.zeros(items, np.int64)

    def _do(first, last, by):
        done[first:last] += by

    with use_threads(3):
        parallel(_do, items, SMALL, 5)
    assert (done == 5).all()


def test_an_error_reaches_the_caller_after_all_ranges_ended():
    ended = []

    def _fail(first, last):
        ended.append(first)
        raise ValueError(first)

    with use_threads(2), pytest.raises(ValueError, match="^0$"):
        parallel(_fail, 8, SMALL)
    assert len(ended) == 8


def test_many_python_threads_call_at_once():
    key, expected = np.array([3], np.uint64), compiled.words(np.array([3], np.uint64), 2 * SMALL)

    def _equal(_):
        with use_threads(2):
            return (compiled.words(key, 2 * SMALL) == expected).all()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(_equal, range(20)))


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_process_has_threads_of_its_own():
    subprocess.run([sys.executable, "-c", FORKED], env={"PYTHONPATH": PACKAGE}, check=True, timeout=120)
