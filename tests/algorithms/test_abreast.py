"""Work on several cores: results in order, errors as they are, no thread left, the chosen kernels everywhere."""

from __future__ import annotations

import threading

import pytest

from fedkd.algorithms.abreast import abreast
from fedkd_compression import kernels

pytestmark = pytest.mark.parametrize("threads", [1, 2, 4])


def test_results_come_in_order_and_threads_end(threads: int) -> None:
    before = threading.active_count()
    assert list(abreast(lambda item: item**2, range(20), threads)) == [item**2 for item in range(20)]
    assert list(abreast(lambda item: item, [], threads)) == []
    assert threading.active_count() == before


def test_the_first_error_is_raised(threads: int) -> None:
    def work(item: int) -> int:
        if item in (3, 5):
            raise ValueError(f"item {item}")
        return item

    with pytest.raises(ValueError, match="^item 3$"):
        list(abreast(work, range(8), threads))


def test_kernels_are_those_that_were_chosen(threads: int) -> None:
    with kernels.use("numpy"):
        assert set(abreast(lambda _: kernels.backend(), range(4), threads)) == {kernels.backend()}
