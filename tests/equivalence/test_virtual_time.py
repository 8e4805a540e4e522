"""Virtual time is part of the bits: what a deadline has learned outlasts a cut, and is the same on every executor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.runs import SUPERVISED, kept, resume, rounds_of, run

pytestmark = pytest.mark.e2e

ROUNDS = 6
BASE = (
    *SUPERVISED,
    "clients=6",
    f"rounds={ROUNDS}",
    "latency=lognormal",
    "latency.sigma_rounds=0.7",
    "admission=drop",
    "admission.quorum=0.3",
)
DEADLINES = {
    "ski_rental": ("deadline=ski_rental", "deadline.price=0.12", "deadline.least=0.3"),
    "quantile": ("deadline=quantile", "deadline.q=0.6"),
}
PROCESSES = ("executor=processes", "executor.workers=2")

Reference = Callable[[str], Path]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The folder of a run in this process, without a break."""
    done: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in done:
            folder = tmp_path_factory.mktemp("reference")
            assert run(folder, [*BASE, *DEADLINES[name]]).reason == "finished"
            done[name] = folder
        return done[name]

    return of


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_same(folder: Path, alone: Path) -> None:
    assert (folder / "model.safetensors").read_bytes() == (alone / "model.safetensors").read_bytes()
    assert rounds_of(folder) == rounds_of(alone)
    one, other = (kept(each).server.waiting for each in (folder, alone))
    assert one.keys() == other.keys()
    for name in one:
        assert one[name]["experts"]["losses"].tobytes() == other[name]["experts"]["losses"].tobytes()


def test_the_learned_deadline_is_missed_and_changes(reference: Reference) -> None:
    """Otherwise the tests below would prove nothing."""
    rounds = lines(reference("ski_rental"))
    assert any(line["missing"] for line in rounds[1:])
    ends = [line["virtual_seconds"] for line in rounds if line["missing"]]
    assert len(set(ends)) == len(ends) >= 2
    assert kept(reference("ski_rental")).server.waiting["ski_rental"]["experts"]["log"][0] == ROUNDS


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", DEADLINES)
@pytest.mark.parametrize("cut", [1, 4])
def test_a_run_that_was_cut_is_the_whole_one(name: str, cut: int, reference: Reference, tmp_path: Path) -> None:
    run(tmp_path, [*BASE, *DEADLINES[name], f"rounds={cut}"])
    resume(tmp_path, ROUNDS)
    assert_same(tmp_path, reference(name))


def test_rounds_after_the_last_checkpoint_are_learned_from_once(reference: Reference, tmp_path: Path) -> None:
    run(tmp_path, [*BASE, *DEADLINES["ski_rental"], "rounds=3", "checkpoint_every=2"])
    resume(tmp_path, ROUNDS)
    assert_same(tmp_path, reference("ski_rental"))


@pytest.mark.parametrize("name", DEADLINES)
@pytest.mark.parametrize("store", ["folder", "memory"])
def test_processes_are_as_this_one(name: str, store: str, reference: Reference, tmp_path: Path) -> None:
    run(tmp_path, [*BASE, *DEADLINES[name], *PROCESSES, f"store={store}", "reduce_from=1"])
    assert_same(tmp_path, reference(name))


def test_a_cut_run_goes_on_under_another_executor(reference: Reference, tmp_path: Path) -> None:
    run(tmp_path, [*BASE, *DEADLINES["ski_rental"], "rounds=3"])
    resume(tmp_path, ROUNDS, *PROCESSES)
    assert_same(tmp_path, reference("ski_rental"))


def test_the_share_that_is_asked_for_is_in_time(reference: Reference) -> None:
    """ceil(.6 x 6) = 4."""
    assert [len(line["missing"]) for line in lines(reference("quantile"))] == [2] * ROUNDS


def test_all_replies_are_no_deadline_and_workers_may_add(tmp_path: Path) -> None:
    outcomes = []
    for name, deadline in {"none": ["deadline=none"], "all": ["deadline=quantile", "deadline.q=1"]}.items():
        outcomes.append(run(tmp_path / name, [*BASE, *PROCESSES, "reduce_from=1", *deadline]).model_sha256)
    assert outcomes[0] == outcomes[1]
    assert rounds_of(tmp_path / "none") == rounds_of(tmp_path / "all")
    resume(tmp_path / "all", ROUNDS + 1)
