"""Which executor is chosen where, and where it does what must not be done in the process that forks."""

from __future__ import annotations

import os
from typing import Any

import pytest

from fedkd.errors import ConfigurationError
from fedkd.executors import Auto, Executor, ExecutorChoice, Local, Mpi, Processes, auto


@pytest.fixture(autouse=True)
def _start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is started gives itself."""
    for choice in (Local, Processes, Mpi):
        monkeypatch.setattr(choice, "start", lambda self, site: self)


def surrounded(monkeypatch: pytest.MonkeyPatch, launched: bool = False, cores: int = 1, gpus: int = 0) -> None:
    """This process under mpirun or not, with so many cores and GPUs."""
    monkeypatch.setattr(auto, "launched", lambda: launched)
    monkeypatch.setattr(auto, "cores", lambda: cores)
    monkeypatch.setattr(auto, "local_devices", lambda: ("cuda:0",) * gpus)


def chosen(choice: ExecutorChoice) -> Executor | ExecutorChoice:
    return choice.start(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("around", "workers", "expected"),
    [
        ({"cores": 1}, "auto", Local()),
        ({"cores": 2}, "auto", Processes("auto", 2)),
        ({"cores": 1, "gpus": 1}, "auto", Processes("auto", 2)),
        ({"cores": 1}, 1, Processes(1, 2)),
        ({"cores": 8}, 3, Processes(3, 2)),
        ({"cores": 8, "gpus": 2, "launched": True}, "auto", Mpi(2, True)),
    ],
)
def test_choice(
    monkeypatch: pytest.MonkeyPatch, around: dict[str, Any], workers: Any, expected: ExecutorChoice
) -> None:
    surrounded(monkeypatch, **around)
    assert chosen(Auto(workers, 2, True)) == expected


def test_mpirun_says_how_many_workers_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    surrounded(monkeypatch, launched=True)
    with pytest.raises(ConfigurationError, match=r"^Auto: workers=3 under mpirun, .*; choose workers = auto$"):
        Auto(3, "auto", True)


def test_no_workers_at_all_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    surrounded(monkeypatch, cores=4)
    with pytest.raises(ConfigurationError, match="workers=0 is below 1; choose workers = auto"):
        Auto(0, "auto", True)


@pytest.mark.parametrize(("cores", "here"), [(1, True), (2, False)])
def test_a_teacher_learns_elsewhere_only_where_workers_are_forked(
    monkeypatch: pytest.MonkeyPatch, cores: int, here: bool
) -> None:
    surrounded(monkeypatch, cores=cores)
    done = Auto("auto", "auto", True).aside(lambda: str(os.getpid()).encode())
    assert (int(done) == os.getpid()) is here


def test_rank_0_of_several_lets_a_teacher_learn_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    surrounded(monkeypatch, launched=True, cores=8)
    assert int(Auto("auto", "auto", True).aside(lambda: str(os.getpid()).encode())) == os.getpid()
