from __future__ import annotations

import io
from collections import Counter

import pytest
import torch
from rich.console import Console

from fedkd.errors import ConfigurationError
from fedkd.executors import placement
from fedkd.executors.placement import Seat, local_devices, place, seat_rows, seat_table, worker_count

FOUR = ("cuda:0", "cuda:1", "cuda:2", "cuda:3")


@pytest.fixture
def with_cuda(monkeypatch):
    """A torch that is built for CUDA, on a machine with four GPUs; to touch CUDA fails the test."""
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "_raw_device_count_nvml", lambda: 4)
    monkeypatch.setattr(torch._C, "_cuda_getDeviceCount", lambda: pytest.fail("CUDA is initialised"), raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def _text(seats, visible=None):
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(seat_table(seats, visible))
    return console.export_text()


def test_eight_ranks_on_two_hosts_of_four_gpus_have_a_gpu_each():
    seats = place(["a"] * 4 + ["b"] * 4, {"a": FOUR, "b": FOUR}, 1)
    assert [seat.rank for seat in seats] == list(range(8))
    assert {(seat.host, seat.device) for seat in seats} == {(host, gpu) for host in "ab" for gpu in FOUR}


def test_eight_ranks_on_three_gpus_are_three_three_two():
    seats = place(["a"] * 8, {"a": FOUR[:3]}, "auto")
    assert Counter(seat.device for seat in seats) == {"cuda:0": 3, "cuda:1": 3, "cuda:2": 2}


@pytest.mark.parametrize("devices", [{}, {"a": ()}])
@pytest.mark.parametrize("workers_per_gpu", [1, "auto"])
def test_a_host_without_gpus_computes_on_its_processor_however_many_ranks_it_has(devices, workers_per_gpu):
    assert place(["a", "a"], devices, workers_per_gpu) == (Seat(0, "a", "cpu"), Seat(1, "a", "cpu"))


def test_ranks_of_a_host_are_counted_by_themselves_where_hosts_are_interleaved():
    seats = place(["a", "b"] * 4, {"a": FOUR, "b": FOUR}, 1)
    assert [seat.device for seat in seats] == [gpu for gpu in FOUR for _ in "ab"]


def test_hosts_may_have_different_numbers_of_gpus():
    seats = place(["a", "b", "a", "c", "b"], {"a": FOUR[:1], "b": FOUR[:2], "c": ()}, "auto")
    assert [seat.device for seat in seats] == ["cuda:0", "cuda:0", "cuda:0", "cpu", "cuda:1"]


def test_as_many_ranks_as_the_bound_allows_are_placed_and_one_more_is_refused():
    devices = {"a": FOUR[:2], "b": FOUR}
    assert len(place(["a"] * 4 + ["b"] * 5, devices, 2)) == 9
    message = (
        r"^executor: 5 workers on a exceed GPUs \(2\) x workers_per_gpu \(2\); "
        r"start at most 4 there, or choose workers_per_gpu=3$"
    )
    with pytest.raises(ConfigurationError, match=message):
        place(["a"] * 5 + ["b"] * 4, devices, 2)


def test_no_worker_on_a_gpu_is_refused():
    with pytest.raises(ConfigurationError, match=r"workers_per_gpu=0 is below 1; choose workers_per_gpu >= 1 or auto"):
        place(["a"], {}, 0)


@pytest.mark.parametrize(
    ("workers", "gpus", "workers_per_gpu", "cohort", "count"),
    [
        ("auto", 0, "auto", 100, 16),
        ("auto", 0, 3, 100, 16),
        ("auto", 4, "auto", 100, 4),
        ("auto", 4, 3, 100, 12),
        ("auto", 4, 3, 5, 5),
        ("auto", 0, "auto", 10, 10),
        ("auto", 0, "auto", 0, 1),
        (7, 4, 1, 100, 7),
        (7, 0, "auto", 2, 2),
    ],
)
def test_workers_follow_gpus_then_cores_and_are_never_more_than_clients(workers, gpus, workers_per_gpu, cohort, count):
    assert worker_count(workers, FOUR[:gpus], workers_per_gpu, 16, cohort) == count


def test_a_run_without_workers_is_refused():
    with pytest.raises(ConfigurationError, match=r"workers=0 is below 1; choose workers >= 1 or workers=auto"):
        worker_count(0, (), "auto", 2, 10)
    with pytest.raises(ConfigurationError, match=r"workers_per_gpu=0 is below 1"):
        worker_count("auto", FOUR, 0, 2, 10)


@pytest.mark.parametrize(
    ("visible", "count"), [(None, 4), ("", 0), ("-1", 0), ("2,0", 2), ("3", 1), ("0,9", 1), ("1,1", 0)]
)
def test_the_visible_gpus_are_counted_without_touching_cuda(with_cuda, monkeypatch, visible, count):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert local_devices() == FOUR[:count]
    assert not torch.cuda.is_initialized()


def test_a_torch_without_cuda_has_no_gpus(with_cuda, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    assert local_devices() == ()


def test_without_a_driver_there_is_no_gpu(with_cuda, monkeypatch):
    monkeypatch.setattr(torch.cuda, "_raw_device_count_nvml", lambda: -1)
    monkeypatch.setattr(placement, "CDLL", _absent)
    assert local_devices() == ()


@pytest.mark.parametrize("visible", ["", "MIG-1234"])
def test_where_nvml_does_not_count_another_process_does(with_cuda, monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(placement, "CDLL", lambda name: None)
    monkeypatch.setattr(placement, "COUNT", "print(3)")
    assert local_devices() == (FOUR[:3] if visible else ())


def test_a_count_that_fails_says_so_in_one_line(with_cuda, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1234")
    monkeypatch.setattr(placement, "CDLL", lambda name: None)
    monkeypatch.setattr(placement, "COUNT", "raise RuntimeError('old driver')")
    message = (
        r"^devices: torch cannot count the GPUs \(RuntimeError: old driver\); set CUDA_VISIBLE_DEVICES= to use none$"
    )
    with pytest.raises(ConfigurationError, match=message):
        local_devices()


def test_the_question_to_another_process_is_torchs_own_count(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 5)
    exec(placement.COUNT)  # noqa: S102
    assert capsys.readouterr().out == "5\n"


def test_the_table_has_a_line_a_device_and_names_a_host_once():
    seats = place(["a"] * 5 + ["b"], {"a": FOUR[:2]}, "auto")
    lines = [line.split() for line in _text(seats).splitlines() if line.strip(" ─")]
    assert lines == [
        ["host", "device", "ranks"],
        ["a", "cuda:0", "0,", "2,", "4"],
        ["cuda:1", "1,", "3"],
        ["b", "cpu", "5"],
    ]


def test_the_table_tells_ranges_and_visible_devices():
    text = _text(place(["a"] * 4 + ["b"], {}, "auto"), {"a": "2,3"})
    assert "CUDA_VISIBLE_DEVICES" in text
    assert "0-3" in text
    assert text.split("2,3")[1].split() == ["b", "cpu", "4", "not", "set"]


def test_the_manifest_keeps_every_seat():
    assert seat_rows([Seat(0, "a", "cpu")]) == [{"rank": 0, "host": "a", "device": "cpu"}]


def _absent(name):
    raise OSError(name)
