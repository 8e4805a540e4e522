"""Which device each worker computes on, and how many workers a machine has."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from ctypes import CDLL
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.table import Table

COUNT = "import torch; print(torch.cuda.device_count())"


@dataclass(frozen=True)
class Seat:
    """Where a worker computes.

    Args:
        rank: the worker's number, from 0.
        host: name of its machine.
        device: ``"cpu"``, or ``"cuda:1"`` as that machine's processes count their GPUs.
    """

    rank: int
    host: str
    device: str


def place(
    hosts: Sequence[str], devices: Mapping[str, Sequence[str]], workers_per_gpu: int | Literal["auto"]
) -> tuple[Seat, ...]:
    """Spread the ranks of every host over its GPUs: the host's i-th rank goes to GPU i mod (number of its GPUs).

    Args:
        hosts: of every rank; the ranks of a host may lie anywhere.
        devices: the GPUs of a host; a host that is not named, or has none, computes on "cpu".
        workers_per_gpu: how many ranks may share a GPU, at least 1; "auto": no bound.

    Raises:
        ConfigurationError: a host has more ranks than its GPUs take, or ``workers_per_gpu`` is below 1.

    Example:
        >>> [seat.device for seat in place(["a", "b", "a"], {"a": ["cuda:0", "cuda:1"]}, "auto")]
        ['cuda:0', 'cpu', 'cuda:1']
    """
    if workers_per_gpu != "auto":
        _check_bound(workers_per_gpu)
        for host, ranks in Counter(hosts).items():
            _check_host(host, ranks, len(devices.get(host, ())), workers_per_gpu)
    before: Counter[str] = Counter()
    seats = []
    for rank, host in enumerate(hosts):
        gpus = devices.get(host, ())
        seats.append(Seat(rank, host, gpus[before[host] % len(gpus)] if gpus else "cpu"))
        before[host] += 1
    return tuple(seats)


def worker_count(
    workers: int | Literal["auto"],
    devices: Sequence[str],
    workers_per_gpu: int | Literal["auto"],
    cores: int,
    cohort: int,
) -> int:
    """How many local processes a run has: never more than the largest cohort, and at least one.

    Args:
        workers: a number, or "auto": ``workers_per_gpu`` for every GPU; without GPUs, one for every core.
        devices: the GPUs that this process may use.
        workers_per_gpu: at least 1; "auto" means 1 here.
        cores: that this process may use.
        cohort: most clients of a round.

    Raises:
        ConfigurationError: ``workers`` or ``workers_per_gpu`` is below 1.

    Example:
        >>> worker_count("auto", ["cuda:0", "cuda:1"], 2, cores=16, cohort=100)
        4
    """
    each = 1 if workers_per_gpu == "auto" else workers_per_gpu
    _check_bound(each)
    if workers == "auto":
        workers = len(devices) * each if devices else cores
    elif workers < 1:
        raise ConfigurationError(f"executor: workers={workers} is below 1; choose workers >= 1 or workers=auto")
    return max(min(workers, cohort), 1)


def local_devices() -> tuple[str, ...]:
    """The NVIDIA GPUs that CUDA_VISIBLE_DEVICES leaves to this process, as torch names them; CUDA stays untouched.

    Raises:
        ConfigurationError: a driver is there, but torch cannot count the GPUs.
    """
    import torch

    if torch.version.cuda is None:
        return ()
    # A process that has called cuInit cannot hand CUDA on to forked ones. torch.cuda.is_available() calls it, and so
    # does torch.cuda.device_count() where NVML gives no answer; this first half of device_count() asks NVML alone.
    count = int(getattr(torch.cuda, "_device_count_nvml", lambda: -1)())
    if count < 0:
        count = _count_elsewhere() if _has_driver() else 0
    return tuple(f"cuda:{index}" for index in range(count))


def seat_rows(seats: Sequence[Seat]) -> list[dict[str, object]]:
    """The seats as manifest.json keeps them."""
    return [asdict(seat) for seat in seats]


def seat_table(seats: Sequence[Seat], visible: Mapping[str, str] | None) -> Table:
    """Which ranks sit on which device of which host, for the console.

    Args:
        seats: of all workers.
        visible: CUDA_VISIBLE_DEVICES of the hosts where it is set; None leaves this column out.
    """
    from rich import box
    from rich.table import Table

    ranks: dict[str, dict[str, list[int]]] = {}
    for seat in seats:
        ranks.setdefault(seat.host, {}).setdefault(seat.device, []).append(seat.rank)
    table = Table("host", "device", "ranks", box=box.SIMPLE)
    if visible is not None:
        table.add_column("CUDA_VISIBLE_DEVICES", style="dim")
    for host, devices in ranks.items():
        setting = [] if visible is None else [visible.get(host, "not set")]
        for index, (device, here) in enumerate(devices.items()):
            row = [device, _ranges(here)]
            table.add_row(*(["", *row] if index else [host, *row, *setting]))
    return table


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers in few words: 0-3, 8."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _check_bound(workers_per_gpu: int) -> None:
    if workers_per_gpu < 1:
        raise ConfigurationError(
            f"executor: workers_per_gpu={workers_per_gpu} is below 1; choose workers_per_gpu >= 1 or auto"
        )


def _check_host(host: str, ranks: int, gpus: int, workers_per_gpu: int) -> None:
    if gpus and ranks > gpus * workers_per_gpu:
        raise ConfigurationError(
            f"executor: {ranks} workers on {host} exceed GPUs ({gpus}) x workers_per_gpu ({workers_per_gpu}); "
            f"start at most {gpus * workers_per_gpu} there, or choose workers_per_gpu={math.ceil(ranks / gpus)}"
        )


def _has_driver() -> bool:
    """Whether CUDA's driver library can be loaded; loading it initialises nothing."""
    try:
        CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _count_elsewhere() -> int:
    """The number of GPUs as a process of its own counts them; that process may initialise CUDA."""
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise ConfigurationError(
            f"devices: torch cannot count the GPUs ({last}); set CUDA_VISIBLE_DEVICES= to use none"
        )
    return int(done.stdout)
