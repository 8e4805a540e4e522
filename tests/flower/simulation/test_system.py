"""What a simulation's processes are started with, and that none is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fedkd.errors import ConfigurationError
from fedkd.executors import ClientError
from fedkd.flower.job_file import JobFile
from fedkd.flower.simulation.group import Group, adoption, undisturbed
from fedkd.flower.simulation.launch import simulate
from fedkd.flower.simulation.order import Order, Resources
from fedkd.flower.simulation.system import System, free_address, last_lines, superlink

FAMILY = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(0 if sys.argv[2] == "leaves" else 60)
"""


def family(tmp_path: Path, what: str) -> tuple[Group, int]:
    """A group of two processes, and the number of the second."""
    note = tmp_path / "child"
    group = Group([sys.executable, "-c", FAMILY, str(note), what], dict(os.environ), tmp_path / "log", bound=True)
    while not (note.is_file() and note.read_text()):
        time.sleep(0.01)
    return group, int(note.read_text())


@pytest.mark.parametrize("what", ["stays", "leaves"])
def test_a_group_ends_with_all_that_it_started(tmp_path: Path, what: str) -> None:
    with adoption():
        group, child = family(tmp_path, what)
        while what == "leaves" and not group.ended:
            time.sleep(0.01)
        group.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert group.ended


def test_ctrl_c_waits_until_everything_is_tidied_up() -> None:
    done = []

    def tidy() -> None:
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            done.append("tidied up")

    with pytest.raises(KeyboardInterrupt):
        tidy()
    assert done == ["tidied up"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_superlink_serves_this_machine_alone_and_starts_nothing_itself() -> None:
    command = superlink("127.0.0.1:4711")
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--port") + 1] == "4711"
    assert command[command.index("--isolation") + 1] == "process"
    assert free_address() != free_address()


def test_a_process_that_ended_is_named_with_the_end_of_the_log(tmp_path: Path) -> None:
    text = "import sys; sys.exit('\\x1b[91mERROR \\x1b[0m: port in use')"
    group = Group([sys.executable, "-c", text], dict(os.environ), tmp_path / "log", bound=False)
    while not group.ended:
        time.sleep(0.01)
    with pytest.raises(ClientError, match="the SuperLink ended before the run did") as caught:
        System({"the SuperLink": group}, tmp_path / "log").check()
    assert caught.value.trace == "ERROR : port in use\n"
    group.kill()


def test_a_conductor_whose_launcher_is_gone_starts_nothing(tmp_path: Path) -> None:
    home, gone = tmp_path / "home", subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    home.mkdir()
    command = [sys.executable, "-m", "fedkd.flower.simulation.conductor", str(home / "order.json"), str(gone.pid)]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0
    assert not home.exists()


def test_the_end_of_a_log_is_what_went_wrong(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("INFO :  Starting\n\n" + "".join(f"line {number}\n" for number in range(100)))
    assert last_lines(log).splitlines() == [f"line {number}" for number in range(80, 100)]


def test_orders_and_jobs_are_read_as_they_were_written(tmp_path: Path) -> None:
    order = Order("127.0.0.1:1", "/app", "/job.json", 2, Resources(10, 1, 0.5))
    job = JobFile({"seed": 0, "plugins": []}, "runs/a", ["seed=0"], "/relay")
    order.write(tmp_path / "order")
    job.write(tmp_path / "job")
    assert Order.read(tmp_path / "order") == order
    assert JobFile.read(tmp_path / "job") == job


@pytest.mark.parametrize(
    ("resources", "fix"),
    [
        (Resources(3, 10_000, 0.0), "choose client_cpus <="),
        (Resources(3, 1, 1000.0), "choose client_gpus = 0"),
    ],
)
def test_clients_that_this_machine_cannot_hold_are_refused(resources: Resources, fix: str) -> None:
    with pytest.raises(ConfigurationError, match=fix):
        simulate(None, resources)  # type: ignore[arg-type]
