"""Any bytes at all give a tensor or WireError: the fuzzer's harnesses on what they start from, and on random changes.

``tests/fuzz/run.py`` runs the same harnesses a million times, guided by coverage.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedkd_compression import kernels
from tests.fuzz import chunks, frames, memory, parcels, payloads, sums, tables
from tests.fuzz.worker import changed

HARNESSES = {
    "frames": frames,
    "payloads": payloads,
    "tables": tables,
    "chunks": chunks,
    "sums": sums,
    "parcels": parcels,
}
BACKENDS = [name for name in kernels.available() if name != "triton"]
CHANGES = {"numba": 1500, "numpy": 60, "torch": 60}
SLOW = {("chunks", "numpy"): 3, ("chunks", "torch"): 3}


@pytest.mark.parametrize("name", HARNESSES)
def test_what_the_fuzzer_starts_from_takes_no_more_memory_than_is_declared(name):
    harness = HARNESSES[name]
    for data in harness.corpus():
        harness.one_input(data)
        assert memory.traced(lambda data=data: harness.one_input(data)) <= memory.bound(harness.largest())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", HARNESSES)
def test_changed_inputs(name, backend):
    choices, inputs = random.Random(1), HARNESSES[name].corpus()  # noqa: S311
    with kernels.use(backend):
        for _ in range(SLOW.get((name, backend), CHANGES[backend])):
            HARNESSES[name].one_input(changed(choices.choice(inputs), choices))


@pytest.mark.parametrize("name", HARNESSES)
@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.binary(max_size=400))
def test_random_bytes(name, data):
    HARNESSES[name].one_input(data)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(i=st.integers(0, 255), data=st.binary(max_size=200), end=st.integers(0, 60))
def test_random_bytes_behind_the_start_of_a_frame(i, data, end):
    frame = frames.corpus()[i % len(frames.NAMES)]
    frames.one_input(frame[:end] + data)


def test_a_harness_reports_every_other_error(monkeypatch):
    def raises(*arguments):
        raise IndexError

    monkeypatch.setattr(frames, "decompress", raises)
    with pytest.raises(IndexError):
        frames.one_input(frames.corpus()[0])
