"""A server that is killed anywhere in a round loses nothing: the resumed run gives the bits of one that was not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kills import ALGORITHMS, EVERY, Case, killed_at, survived
from tests.faults.points import POINTS

pytestmark = pytest.mark.e2e

STORES = ("folder", "memory")
ROUNDS = (1, 4)
"""In which the server is killed; with a checkpoint every three rounds, before the first one and after it."""
EVERYWHERE = [
    (algorithm, label, every, store, round_)
    for algorithm in ALGORITHMS
    for label in POINTS
    for every in EVERY
    for store in STORES
    for round_ in (0, *ROUNDS)
    if Case(algorithm, every, store).has(label)
]


def _sampled() -> list[tuple[str, str, int, str, int]]:
    """Every point once; algorithms take turns, and of each its stores, rounds and checkpoints."""
    chosen = []
    for column, label in enumerate(POINTS):
        found = [case for case in EVERYWHERE if case[1] == label and case[4] in ROUNDS]
        some = [case for case in found if case[0] == [*ALGORITHMS][column % 3]] or found
        chosen.append(some[(column // 3 * 3 + column) % len(some)])
    return chosen


SAMPLED = _sampled()
ELSEWHERE = [case for case in EVERYWHERE if case not in SAMPLED][::12]
"""Some of all others; ``python -m tests.faults.kills`` draws from all."""


def _check(algorithm: str, label: str, every: int, store: str, round_: int, folder: Path) -> None:
    case = Case(algorithm, every, store)
    case.prepare()
    assert killed_at(POINTS[label], round_, lambda: case.start(folder))
    survived(case, folder, round_)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("algorithm", "label", "every", "store", "round_"), SAMPLED)
def test_a_killed_server_has_lost_nothing(
    algorithm: str, label: str, every: int, store: str, round_: int, tmp_path: Path
) -> None:
    _check(algorithm, label, every, store, round_, tmp_path / "run")


@pytest.mark.exhaustive
@pytest.mark.parametrize(("algorithm", "label", "every", "store", "round_"), ELSEWHERE)
def test_nor_has_one_that_was_killed_elsewhere(
    algorithm: str, label: str, every: int, store: str, round_: int, tmp_path: Path
) -> None:
    _check(algorithm, label, every, store, round_, tmp_path / "run")
