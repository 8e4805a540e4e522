"""A bad update leaves what a client leaves that was asked and did not answer, whoever trains and whoever adds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from fedkd.checkpoints import Checkpoints
from fedkd.clients.folder_store import FolderStore
from fedkd.errors import ConfigurationError
from tests.e2e.runs import SUPERVISED, settings_of
from tests.faults.tampering import ALONE, CAP, FAULTS, tampered, without
from tests.faults.trials import (
    ALGORITHMS,
    EXACT,
    MPIRUN,
    PLACES,
    Place,
    Trouble,
    complaints,
    disturbed,
    equal_to,
    in_a_row,
    play,
)

pytestmark = pytest.mark.e2e

HERE = [name for name, place in PLACES.items() if not place.ranks and not place.starts]
RANKS = [name for name, place in PLACES.items() if place.ranks]
ROUND, CLIENT, ROUNDS = 1, 2, 5
SAMPLED = {
    ("local", "artemis"),
    ("local, adding", "rand_mcm"),
    ("processes", "rand_mcm"),
    ("processes, adding", "artemis"),
    ("Flower in process", "mcm"),
}
"""All other combinations are left to ``make exhaustive``."""
COMBINED = [
    pytest.param(name, algorithm, marks=() if (name, algorithm) in SAMPLED else pytest.mark.exhaustive)
    for name in HERE
    for algorithm in ALGORITHMS
]


IN_TURN = [
    (name, [*ALGORITHMS][(row + column) % len(ALGORITHMS)], fault)
    for row, fault in enumerate(FAULTS)
    for column, name in enumerate(HERE)
    if PLACES[name].has(fault) and (row + column) % 3 == 0
]
"""Each fault alone, with places and algorithms in turn; one after another all are made everywhere."""


def check(name: str, algorithm: str, troubles: list[Trouble], rounds: int, folder: Path) -> None:
    """The promise."""
    place = PLACES[name]
    ran = disturbed(place, folder, algorithm, troubles, rounds)
    assert complaints(ran, equal_to(place, algorithm, troubles, rounds), troubles) == []


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("name", "algorithm"), COMBINED)
def test_one_bad_update_after_another(name: str, algorithm: str, tmp_path: Path) -> None:
    check(name, algorithm, *in_a_row(PLACES[name]), tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "algorithm", "fault"), IN_TURN)
def test_a_bad_update_alone(name: str, algorithm: str, fault: str, tmp_path: Path) -> None:
    check(name, algorithm, [(ROUND, CLIENT, fault)], ROUNDS, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.skipif(MPIRUN is None, reason="no mpirun, or no mpi4py")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", RANKS)
def test_bad_updates_of_ranks(name: str, algorithm: str, tmp_path: Path) -> None:
    check(name, algorithm, *in_a_row(PLACES[name]), tmp_path)


@pytest.mark.flower
@pytest.mark.slow
def test_bad_updates_of_actors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "")
    simulation = PLACES["Flower's simulation"]
    troubles, rounds = in_a_row(simulation, ["raises", "NaN", "older version", "1e30", "bit in the frame"])
    check("Flower's simulation", "mcm", troubles, rounds, tmp_path)


@pytest.mark.parametrize("algorithm", EXACT)
def test_who_does_not_answer_might_as_well_not_have_been_asked(algorithm: str, tmp_path: Path) -> None:
    local, more = PLACES["local"], (*ALGORITHMS[algorithm], "admission=drop", f"rounds={ROUNDS}")
    silent = play(local, tmp_path / "silent", *more, *tampered(tmp_path, (ROUND, CLIENT, "silent")))
    absent = play(local, tmp_path / "absent", *more, *without((ROUND, CLIENT)))
    assert silent.manifest["model_sha256"] == absent.manifest["model_sha256"]
    assert [line["metrics"] for line in silent.lines] == [line["metrics"] for line in absent.lines]
    assert [line["cohort"] for line in absent.lines][ROUND] == [0, 1, 3]


@pytest.mark.parametrize("name", ["processes", "processes, adding"])
def test_a_reply_that_comes_when_nobody_waits_for_one_is_noted(name: str, tmp_path: Path) -> None:
    """The only client of a round answers twice."""
    place, more = PLACES[name], ("clients=1", "admission=drop", f"rounds={ROUNDS}")
    ran = play(place, tmp_path / "twice", *more, *tampered(tmp_path, (ROUND, 0, "duplicate")))
    like = play(PLACES["local"], tmp_path / "once", *more)
    assert complaints(ran, like, [(ROUND, 0, "duplicate")]) == []


def test_a_worker_whose_only_client_fails_has_no_sum(tmp_path: Path) -> None:
    more = ("clients=2", "admission=drop", f"rounds={ROUNDS}")
    ran = play(PLACES["processes, adding"], tmp_path / "adding", *more, *tampered(tmp_path, (ROUND, 1, "raises")))
    like = play(PLACES["local"], tmp_path / "silent", *more, *tampered(tmp_path, (ROUND, 1, "silent")))
    assert complaints(ran, like, [(ROUND, 1, "raises")]) == []


STRICT = [
    pytest.param(name, fault, marks=() if (name, fault) in chosen else pytest.mark.exhaustive)
    for chosen in [
        {("local", "diverged"), ("local, adding", "NaN"), ("processes, adding", "raises"), ("processes", "duplicate")}
    ]
    for column, name in enumerate(HERE)
    for row, fault in enumerate(FAULTS)
    if PLACES[name].has(fault) and ((name, fault) in chosen or (row + column) % 5 == 0)
]


@pytest.mark.parametrize(("name", "fault"), STRICT)
def test_a_bad_update_ends_a_run_that_does_not_forgive(name: str, fault: str, tmp_path: Path) -> None:
    troubles, bad = [(ROUND, CLIENT, fault)], FAULTS[fault]
    ran = disturbed(PLACES[name], tmp_path, "mcm", troubles, ROUNDS, policy="fail")
    if bad.like == "undisturbed":
        assert complaints(ran, equal_to(PLACES[name], "mcm", troubles, ROUNDS), troubles) == []
        return
    assert (ran.manifest["reason"], ran.manifest["rounds_done"], len(ran.lines)) == ("failed", ROUND, ROUND)
    line = rf"client {CLIENT}, round {ROUND}(, worker \d on \S+ \(cpu\))?: (failed: )?{bad.why}"
    assert re.fullmatch(line, ran.manifest["message"]), ran.manifest["message"]


@pytest.mark.parametrize("name", ["local", "local, adding", "processes", "Flower in process"])
def test_what_is_only_too_long_is_scaled_and_memories_move_by_all_of_it(name: str, tmp_path: Path) -> None:
    place, more = PLACES[name], (*ALGORITHMS["artemis"], f"rounds={ROUNDS}", "checkpoint_every=1")
    clip = ("admission=clip", *tampered(tmp_path, (ROUND, CLIENT, "too long")))
    ran, like = play(place, tmp_path, *more, *clip), play(PLACES["local"], tmp_path / "like", *more, *clip)
    assert complaints(ran, like, []) == []
    remark = ran.lines[ROUND]["remarks"][str(CLIENT)]
    assert re.fullmatch(rf"norm 2\d\d\.?\d* clipped to {CAP:g}", remark)
    assert ran.lines[ROUND]["missing"] == {}
    if name != "local, adding":
        check_ends(place, tmp_path / "run")


def check_ends(place: Place, folder: Path) -> None:
    """What the server holds of a client's memory, the client holds."""
    kept = Checkpoints(folder, 2).load(pytest.fail)
    assert kept is not None
    assert sorted(kept.server.uplink.own) == [0, 1, 2, 3]
    for client, memory in kept.server.uplink.own.items():
        assert memory is not None
        assert torch.equal(held(place, folder, client, memory), memory)


def held(place: Place, folder: Path, client: int, like: torch.Tensor) -> torch.Tensor | None:
    """A client's memory after the last round."""
    if not place.volatile:
        return FolderStore(folder / "clients", len(like), like.dtype, checkpoints=2).before(client, ROUNDS).uplink
    from flwr.app import ConfigRecord, RecordDict

    from fedkd.flower.memories import ABOUT, Keeper, memories_of

    about = RecordDict({ABOUT: ConfigRecord({"memories": f"{client:06d}/{ROUNDS}"})})
    return Keeper(about, client, memories_of(folder, 1)).load(like, 0).client.uplink


def test_what_can_only_be_clipped_with_each_clients_memory_is_refused() -> None:
    line = (
        "admission: policy=clip needs the memory of each client, algorithm keeps their mean; "
        "choose policy = drop or algorithm.estimator = PP1"
    )
    with pytest.raises(ConfigurationError, match=f"^{re.escape(line)}$"):
        settings_of([*SUPERVISED, "algorithm=mcm", "admission=clip"])
    for other in (ALGORITHMS["artemis"], ALGORITHMS["sgd"], ("algorithm=mcm", "admission=drop")):
        settings_of([*SUPERVISED, "admission=clip", *other])


def test_the_runs_to_measure_by_are_no_faults() -> None:
    assert not ALONE & set(FAULTS)
    for place in PLACES.values():
        assert {place.like(fault) for fault in FAULTS} <= {*ALONE, "undisturbed"}
