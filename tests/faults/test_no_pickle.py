"""No run needs to unpickle anything: messages, states and checkpoints are bytes that cannot be code."""

from __future__ import annotations

import ast
import io
import pickle
import shelve
import tomllib
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch

from fedkd.checkpoints import Checkpoints
from tests.e2e.runs import ROOT, SUPERVISED, TINY, manifest_of, resume, rounds_of, run
from tests.e2e.test_mpirun import MPIRUN, ended, started
from tests.faults.unpickling import UnpicklingError, refusals

pytestmark = pytest.mark.e2e

EXECUTORS = {
    "local": ("executor=local",),
    "processes": ("executor=processes", "executor.workers=2"),
    "flower_in_process": ("executor=flower_in_process",),
}
JOBS = {"teacher": (*TINY, "algorithm=mcm"), "dore": (*SUPERVISED, "algorithm=dore", "store=memory")}
SOURCES = [
    path for folder in ("fedkd", "compression/fedkd_compression", "sims") for path in (ROOT / folder).rglob("*.py")
]
MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
CALLS = {"torch.load", "pandas.read_pickle", "np.core.multiarray.scalar"}
ATTEMPTS: dict[str, Callable[[], object]] = {
    "pickle.loads": lambda: pickle.loads(pickle.dumps(1)),  # noqa: S301
    "pickle.load": lambda: pickle.load(io.BytesIO(pickle.dumps(1))),  # noqa: S301
    "pickle.Unpickler": lambda: pickle.Unpickler(io.BytesIO()),  # noqa: S301
    "torch.load": lambda: torch.load(io.BytesIO()),
    "multiprocessing": lambda: _sent(1, *Pipe()),
    "shelve.open": lambda: shelve.open("/nowhere"),  # noqa: S301, SIM115
}


@pytest.fixture
def sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that cannot unpickle."""
    for owner, attribute, instead in refusals():
        monkeypatch.setattr(owner, attribute, instead)


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_whoever_unpickles_is_found_out(attempt: str) -> None:
    with pytest.raises(UnpicklingError, match=f"^{attempt}$"):
        ATTEMPTS[attempt]()


@pytest.mark.sampled(2)
@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_run_and_its_resumption_unpickle_nothing(executor: str, job: str, tmp_path: Path) -> None:
    assert run(tmp_path, [*JOBS[job], *EXECUTORS[executor], "rounds=2"]).reason == "finished"
    read = Checkpoints(tmp_path, 2).load(pytest.fail)
    assert read is not None
    assert read.server.round == 2
    outcome = resume(tmp_path, 3, *EXECUTORS[executor])
    assert (outcome.reason, outcome.rounds) == ("finished", 3)


@pytest.mark.exhaustive
@pytest.mark.skipif(MPIRUN is None, reason="no mpirun, or no mpi4py")
def test_neither_does_any_rank(tmp_path: Path) -> None:
    common, folder = [*SUPERVISED, "clients=5", "algorithm=rand_mcm", "executor=auto"], tmp_path / "ranks"
    trainer = ["plugins=[tests]", "trainer._target_=tests.faults.unpickling.Sealed"]
    for tries, code in ((True, 1), (False, 0)):
        name = "refused" if tries else folder.name
        job = started(2, [*common, *trainer, f"++trainer.tries={tries}", f"name={name}"], tmp_path)
        end = ended(job, tmp_path)
        assert (end.code, "UnpicklingError: pickle.loads" in end.text) == (code, tries), end.text
    assert ended(started(2, [f"resume={folder}", "rounds=4", "executor=auto"], tmp_path), tmp_path).code == 0
    alone = run(tmp_path / "alone", [*common, "executor=local", "rounds=4"])
    assert manifest_of(folder)["model_sha256"] == alone.model_sha256
    assert rounds_of(folder) == rounds_of(tmp_path / "alone")


def test_no_source_names_what_unpickles() -> None:
    """Ray, on which Flower simulates, pickles by itself; what is ours in its actors is among these sources."""
    assert len(SOURCES) > 200
    found = {str(path.relative_to(ROOT)): names for path in SOURCES if (names := unpickling(path.read_text()))}
    assert not found


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from pickle import loads", "torch.load(f)", "np.load(f, allow_pickle=True)", "import dill as d"],
)
def test_a_source_that_does_is_found(text: str) -> None:
    assert unpickling(text)


def test_the_linter_keeps_it_so() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    ignored = [*lint["ignore"], *(rule for rules in lint["per-file-ignores"].values() for rule in rules)]
    assert not {"S", "S3", "S301", "S302"} & set(ignored)
    assert not [path for path in SOURCES if "S30" in path.read_text()]


def unpickling(text: str) -> set[str]:
    """What a source imports or calls to unpickle."""
    return {name for node in ast.walk(ast.parse(text)) for name in _names(node)}


def _names(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES}
    if isinstance(node, ast.ImportFrom):
        return {node.module} if node.module and node.module.partition(".")[0] in MODULES else set()
    if isinstance(node, ast.Call):
        allowed = {word.arg for word in node.keywords if word.arg == "allow_pickle" and not _false(word.value)}
        return {str(name) for name in allowed} | ({ast.unparse(node.func)} & CALLS)
    return set()


def _false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _sent(value: object, here: Connection, there: Connection) -> object:
    here.send(value)
    with here, there:
        return there.recv()
