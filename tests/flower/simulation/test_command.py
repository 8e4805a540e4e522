"""flower-simulation reads Flower's name for the number of clients, and everything else as fedkd does."""

from __future__ import annotations

import pytest

from fedkd.flower.simulation.command import translated


@pytest.mark.parametrize(
    ("arguments", "ours"),
    [
        ([], ["executor=flower"]),
        (["num_supernodes=10", "rounds=5"], ["executor=flower", "clients=10", "rounds=5"]),
        (["num_supernodes=2,4", "-m"], ["executor=flower", "clients=2,4", "-m"]),
        (["executor=local", "num_supernodes=3"], ["executor=local", "clients=3"]),
        (["executor.client_cpus=2"], ["executor=flower", "executor.client_cpus=2"]),
        (["resume=runs/a", "rounds=9"], ["executor=flower", "resume=runs/a", "rounds=9"]),
        (["--help"], ["executor=flower", "--help"]),
    ],
)
def test_arguments(arguments: list[str], ours: list[str]) -> None:
    assert translated(arguments) == ours
