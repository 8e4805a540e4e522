"""The same bits wherever clients are trained: any executor, any number of workers, any store, with and without sums."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.runs import DIGITS, RESSL, SMALL, STUDENT, SUPERVISED, TINY, resume, rounds_of, run

pytestmark = pytest.mark.e2e

SIZE = ("clients=6", "rounds=3")
PARTIAL = ("participation=bernoulli", "participation.p=0.5")
METHOD = (*SMALL, *DIGITS, *STUDENT, *SIZE)
CO_TRAINED = ("teacher.model.channels=[4]", "teacher.model.hidden=8", "teacher.model.groups=2")
CONFIGURATIONS = {
    "main job": (*TINY, *SIZE),
    "artemis": (*SUPERVISED, *SIZE, "algorithm=artemis"),
    "dore": (*SUPERVISED, *SIZE, "algorithm=dore", "server=momentum"),
    "rand_mcm": (*SUPERVISED, *SIZE, "algorithm=rand_mcm", *PARTIAL),
    "PP1": (*SUPERVISED, *SIZE, "algorithm.estimator=PP1", *PARTIAL),
    "marina_p": (*SUPERVISED, *SIZE, "algorithm=marina_p", "downlink.memory.probability=0.5", *PARTIAL),
    "doublesqueeze": (*SUPERVISED, *SIZE, "algorithm=doublesqueeze", *PARTIAL),
    "FedProx": (*SUPERVISED, *SIZE, "solver.proximal=0.1", "solver.momentum=0.0", *PARTIAL),
    "FedKD": (*METHOD, "experiment=fedkd", *CO_TRAINED, *PARTIAL),
    "co-trained": (*METHOD, "teacher=co_trained", *CO_TRAINED, "algorithm=rand_mcm"),
    "FedNTD": (*METHOD, "experiment=fedntd", "algorithm=diana"),
    "FedGKD": (*METHOD, "experiment=fedgkd", "algorithm=artemis", *PARTIAL),
    "FedDistill+": (*METHOD, "experiment=feddistill", *PARTIAL),
    "FedDistill+, unicast": (*METHOD, "experiment=feddistill", "algorithm=rand_mcm"),
    "STAR": (*SUPERVISED, *SIZE, "solver=star", "server=star", "algorithm=rand_mcm", *PARTIAL),
    "STAR, carried": (*RESSL, *SIZE, "server=star", "algorithm=artemis"),
    "ReSSL": (*RESSL, *SIZE, *PARTIAL),
    "ReSSL, averaged": (*RESSL, *SIZE, "task.teacher=average", "task.mixing=0.5", "algorithm=diana"),
    "ReSSL, anchors": (*RESSL, *SIZE, "task.teacher=from_global", "task.queue=anchors", "algorithm=rand_mcm"),
}
REDUCED = "reduce_from=1"
"""Workers add up their clients' updates."""
WAYS = [
    (name, workers, store, reduced)
    for name, workers, store, reduced in itertools.product(
        CONFIGURATIONS, (1, 2, 4), ("folder", "memory"), (False, True)
    )
]
SAMPLE = [
    ("main job", 2, "folder", False),
    ("main job", 4, "memory", True),
    ("artemis", 1, "folder", False),
    ("dore", 4, "folder", False),
    ("rand_mcm", 2, "memory", False),
    ("PP1", 4, "memory", False),
    ("PP1", 2, "folder", True),
    ("marina_p", 2, "folder", False),
    ("doublesqueeze", 2, "folder", False),
    ("FedProx", 2, "memory", False),
    ("FedKD", 2, "folder", True),
    ("FedKD", 4, "memory", False),
    ("co-trained", 2, "folder", False),
    ("FedNTD", 2, "folder", False),
    ("FedGKD", 4, "folder", False),
    ("FedDistill+", 2, "memory", True),
    ("FedDistill+", 4, "folder", False),
    ("FedDistill+, unicast", 2, "folder", True),
    ("STAR", 2, "folder", False),
    ("STAR", 4, "memory", True),
    ("STAR, carried", 2, "folder", False),
    ("ReSSL", 2, "folder", True),
    ("ReSSL", 4, "memory", False),
    ("ReSSL, averaged", 2, "folder", False),
    ("ReSSL, anchors", 4, "memory", True),
]
"""Every configuration, number of workers, store and way to add, and most pairs of these."""

Reference = Callable[[str], tuple[Path, str]]


def processes(workers: int, store: str | None = None, reduced: bool = False) -> list[str]:
    """What is overridden for these workers."""
    stores = [] if store is None else [f"store={store}"]
    return ["executor=processes", f"executor.workers={workers}", *stores, *[REDUCED] * reduced]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Folder and final model of a configuration's run in this process alone, where the server adds."""
    done: dict[str, tuple[Path, str]] = {}

    def of(name: str) -> tuple[Path, str]:
        if name not in done:
            folder = tmp_path_factory.mktemp("local") / "run"
            done[name] = folder, run(folder, [*CONFIGURATIONS[name], "executor=local"]).model_sha256
        return done[name]

    return of


@pytest.mark.parametrize(
    ("name", "workers", "store", "reduced"),
    [pytest.param(*way, marks=[] if way in SAMPLE else pytest.mark.exhaustive) for way in WAYS],
)
def test_processes_give_the_bits_of_one(
    name: str, workers: int, store: str, reduced: bool, reference: Reference, tmp_path: Path
) -> None:
    alone, digest = reference(name)
    outcome = run(tmp_path, [*CONFIGURATIONS[name], *processes(workers, store, reduced)])
    assert (outcome.reason, outcome.model_sha256) == ("finished", digest)
    assert rounds_of(tmp_path) == rounds_of(alone)
    assert (tmp_path / "model.safetensors").read_bytes() == (alone / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    "name", [pytest.param("main job", marks=pytest.mark.exhaustive), "PP1", "FedKD", "FedDistill+", "FedGKD"]
)
def test_one_worker_here_that_adds_gives_the_same_bits(name: str, reference: Reference, tmp_path: Path) -> None:
    alone, digest = reference(name)
    assert run(tmp_path, [*CONFIGURATIONS[name], "executor=local", "store=memory", REDUCED]).model_sha256 == digest
    assert rounds_of(tmp_path) == rounds_of(alone)


LOCAL = ["executor=local"]
MATCHED = ["schedule.placement=matching", "residency=ski_rental"]
CUTS = {
    "local, processes": ("folder", LOCAL, processes(2)),
    "processes, local": ("folder", processes(2), LOCAL),
    "local, processes, in memory": ("memory", LOCAL, processes(2)),
    "fewer processes, in memory": ("memory", processes(4), processes(3)),
    "processes, local, in memory": ("memory", processes(2), LOCAL),
    "more processes": ("folder", processes(1), processes(4)),
    "matched with processes": ("memory", [*processes(2), *MATCHED], [*processes(2), *MATCHED]),
    "matched, then sticky": ("memory", [*processes(3), *MATCHED], processes(2)),
}
SAMPLED_CUTS = [*list(CUTS)[:4], "matched with processes"]


@pytest.mark.parametrize(
    "cut", [pytest.param(cut, marks=[] if cut in SAMPLED_CUTS else pytest.mark.exhaustive) for cut in CUTS]
)
def test_a_run_goes_on_under_another_executor(cut: str, reference: Reference, tmp_path: Path) -> None:
    """Two rounds on one, one more on the other: the clients' memories move."""
    goes_on("rand_mcm", cut, reference, tmp_path)


BACK_AND_FORTH = ("local, processes", "processes, local, in memory")
STATEFUL = {
    "FedKD": BACK_AND_FORTH[0],
    "co-trained": BACK_AND_FORTH[1],
    "FedGKD": BACK_AND_FORTH[0],
    "FedDistill+": BACK_AND_FORTH[1],
    "STAR": BACK_AND_FORTH[0],
    "STAR, carried": BACK_AND_FORTH[1],
    "ReSSL": BACK_AND_FORTH[0],
    "ReSSL, averaged": BACK_AND_FORTH[1],
}
"""With the cut that is tried by default: of two alike, one each way."""


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        pytest.param(name, cut, marks=[] if cut == STATEFUL[name] else pytest.mark.exhaustive)
        for name, cut in itertools.product(STATEFUL, BACK_AND_FORTH)
    ],
)
def test_teachers_optimizers_and_what_travels_beside_the_model_go_on_too(
    name: str, cut: str, reference: Reference, tmp_path: Path
) -> None:
    goes_on(name, cut, reference, tmp_path)


def goes_on(name: str, cut: str, reference: Reference, folder: Path) -> None:
    """The cut run has the bits of the whole one."""
    store, before, after = CUTS[cut]
    alone, digest = reference(name)
    run(folder, [*CONFIGURATIONS[name], f"store={store}", *before, "rounds=2"])
    assert resume(folder, 3, *after).model_sha256 == digest
    assert rounds_of(folder) == rounds_of(alone)
