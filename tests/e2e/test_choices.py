"""Every choice of every group runs: two rounds, finite results, a readable run folder."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest

from fedkd.records import read_reports
from sims.split_data import split
from tests.e2e.runs import DIGITS, EXCHANGE, RESSL, ROOT, SMALL, STUDENT, SUPERVISED, TEACHER, TINY, run, settings_of

pytestmark = pytest.mark.e2e

CONVEX = (*SMALL, "data.samples_per_client=20", "data.dim=5")
SKEWED = (*SMALL, *STUDENT, "task=supervised", "partitioner=iid")
NEEDS = {
    "data/auto": ("data.samples=200", "data.public=200", "data.test=100"),
    "data/mnist5k": ("data.samples=200", "data.public=200", "data.test=100"),
    "data/fashion": ("data.path={files}", "data.samples=60", "data.public=20"),
    "data/hierarchical": ("data.groups=2", "data.classes_per_group=2", "data.samples_per_class=20"),
    "data/libsvm": ("data.path={files}/data.svm",),
    "data/folder": ("data.path={files}/parts/all",),
    "data/npz": ("data.path={files}/data.npz", "data.test_fraction=0.2"),
    "participation/fixed": ("participation.size=2",),
    "latency/trace": ("latency.path={files}/trace.csv",),
    "deadline/after": ("deadline.seconds=60",),
    "deadline/quantile": ("admission=drop",),
    "deadline/ski_rental": ("deadline.price=60", "admission=drop"),
    "admission/clip": ("algorithm.estimator=PP1",),
} | {
    f"{side}/{name}": tuple(f"{side}.{need}" for need in needs)
    for side in ("uplink", "downlink")
    for name, needs in {
        "count_sketch": ("operator.columns=50",),
        "dead_zone": ("memory.rate=1",),
        "eden": ("memory.rate=1",),
        "energy_svd": ("memory.rate=1",),
        "float16": ("memory.rate=1",),
        "low_rank": ("memory.rate=1",),
        "rand_k": ("operator.k=50",),
        "sign": ("memory.rate=1",),
        "top_k": ("memory.rate=1",),
        "top_k_quantised": ("memory.rate=1",),
    }.items()
}
"""What a choice cannot do without at this size."""
CO_TRAINED = tuple(item for item in TINY if item not in ("teacher.epochs=1", "teacher.threads=1"))
BASES = {
    "data": SKEWED,
    "data/digits": (*SKEWED, *DIGITS[1:]),
    "data/folder": (*SMALL, *STUDENT, "task=supervised", "partitioner=natural_id"),
    "data/least_squares": (*CONVEX, "task=least_squares"),
    "data/libsvm": (*SMALL, "task=logistic", "partitioner=iid"),
    "data/logistic": (*CONVEX, "task=logistic"),
    "algorithm": TINY,
    "model": (*SMALL, *DIGITS, "task=supervised"),
    "model/mnist_cnn": (*SMALL, "data=mnist5k", *NEEDS["data/mnist5k"], "task=supervised", "partitioner=iid"),
    "model/none": (*CONVEX, "task=least_squares"),
    "partitioner/natural_id": (*CONVEX, "task=logistic"),
    "task/distillation": TINY,
    "task/dist": TINY,
    "task/dkd": TINY,
    "task/fedkd": CO_TRAINED,
    "task/fedntd": (*TINY[: -len(TEACHER)],),
    "task/least_squares": CONVEX,
    "task/logistic": CONVEX,
    "task/lskd": TINY,
    "task/nkd": TINY,
    "task/relation_exchange": EXCHANGE,
    "task/ressl": RESSL,
    "task/ttm": TINY,
    "task/wttm": TINY,
    "teacher": (*TINY[: -len(TEACHER)],),
    "teacher/co_trained": CO_TRAINED,
    "teacher/local": TINY,
    "teacher/pretrained": TINY,
    "teacher/none": SUPERVISED,
}
"""The run in which a choice is tried, where it is not the supervised one."""
METHODS = {
    "fedprox": (),
    "fedkd": CO_TRAINED[-3:],
    "fedntd": (),
    "fedgkd": (),
    "feddistill": (),
}
"""Federated baselines, with what each needs at this size."""
ONLY_BY_NAME = ("hydra", "experiment")
ELSEWHERE = {
    "executor/mpi": "test_mpirun",
    "executor/flower": "test_flower_simulation",
    "task/foreign": "test_flower_quickstart",
    "data/foreign": "test_flower_quickstart",
    "trainer/foreign": "test_flower_quickstart",
}
"""Run in these files of this folder."""
CHOICES = sorted(
    f"{path.parent.name}/{path.stem}"
    for path in (ROOT / "configs").glob("*/*.yaml")
    if path.parent.name not in ONLY_BY_NAME and f"{path.parent.name}/{path.stem}" not in ELSEWHERE
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own files: images as idx, a libsvm file, an npz file, a set that is divided already, a trace."""
    folder, random = tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    for part, count in (("train", 80), ("t10k", 20)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, count, 28, 28) + images.tobytes())
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, count) + labels.tobytes())
    rows = [f"{1 if i % 2 else -1} 1:{i / 60:.3f} 3:{(i % 7) / 7:.3f}" for i in range(60)]
    (folder / "data.svm").write_text("\n".join(rows) + "\n")
    (folder / "trace.csv").write_text("client_id,round,seconds\n0,0,1.5\n1,0,2.5\n")
    x, y = random.standard_normal((60, 6), dtype=np.float32), np.arange(60) % 3
    np.savez(folder / "data.npz", x=x, y=y)
    split(settings_of(SUPERVISED), folder / "parts")
    return folder


@pytest.mark.sampled(2)
@pytest.mark.parametrize("choice", CHOICES)
def test_two_rounds_run(choice: str, tmp_path: Path, files: Path) -> None:
    group, name = choice.split("/")
    base = BASES.get(choice, BASES.get(group, SUPERVISED))
    needs = [item.format(files=files) for item in NEEDS.get(choice, ())]
    outcome = run(tmp_path, [*base, f"{group}={name}", *needs])
    assert (outcome.reason, outcome.rounds, outcome.message) == ("finished", 2, "")
    reports = read_reports(tmp_path)
    assert [report.round for report in reports] == [0, 1]
    assert all(math.isfinite(value) for report in reports for value in report.metrics.values())
    assert all(report.bytes_total > 0 and not report.missing for report in reports)


def test_the_tables_name_choices_that_exist() -> None:
    assert all((ROOT / "configs" / f"{choice}.yaml").is_file() for choice in ELSEWHERE)
    assert all((Path(__file__).parent / f"{name}.py").is_file() for name in ELSEWHERE.values())
    groups = {choice.split("/")[0] for choice in CHOICES}
    assert {name for name in (*NEEDS, *BASES) if "/" in name} <= set(CHOICES)
    assert {name for name in BASES if "/" not in name} <= groups


@pytest.mark.sampled(5)
@pytest.mark.parametrize("algorithm", ["sgd", "diana", "artemis", "mcm"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_with_every_kind_of_link(method: str, algorithm: str, tmp_path: Path) -> None:
    overrides = [*SMALL, *DIGITS, *STUDENT, f"experiment={method}", *METHODS[method], f"algorithm={algorithm}"]
    outcome = run(tmp_path, overrides)
    assert (outcome.reason, outcome.rounds, outcome.message) == ("finished", 2, "")
    assert settings_of(overrides).algorithm.name.lower() == algorithm
    for report in read_reports(tmp_path):
        assert all(math.isfinite(value) for value in (report.metrics | report.diagnostics).values())


@pytest.mark.parametrize("algorithm", ["artemis", "dore", "rand_mcm", "sgd"])
@pytest.mark.parametrize("task", ["least_squares", "logistic"])
def test_algorithms_run_on_convex_tasks(algorithm: str, task: str, tmp_path: Path) -> None:
    assert run(tmp_path, [*CONVEX, f"task={task}", f"algorithm={algorithm}"]).reason == "finished"
