"""Where two configurations part, and what of it a resumed run takes over."""

from __future__ import annotations

import pytest

from fedkd.changes import admit_changes, differences, replaced, traced
from fedkd.errors import ConfigurationError

KEPT = {"seed": 1, "rounds": 2, "solver": {"rate": 0.1, "momentum": 0.0}, "server": {"_target_": "Sgd", "step": 1.0}}
FOUND = {"solver.rate": (0.1, 0.05), "server._target_": ("Sgd", "Momentum"), "server.momentum": (None, 0.9)}


def test_differences_are_named_by_their_whole_keys_and_numbers_count_by_value() -> None:
    after = {**KEPT, "solver": {"rate": 0.1, "momentum": 0}, "server": {"step": 1, "more": [1]}}
    assert differences(KEPT, after) == {"server._target_": ("Sgd", None), "server.more": (None, [1])}
    assert differences(KEPT, KEPT) == {}


def test_an_empty_group_is_one_without_keys() -> None:
    assert differences({"teacher": {}}, {"teacher": {"epochs": 1}}) == {"teacher.epochs": (None, 1)}


def test_how_far_and_where_a_run_goes_leaves_no_trace() -> None:
    after = {**KEPT, "rounds": 9, "resume": "runs/a", "changed": ["seed"], "executor": {"workers": 2}}
    assert traced(KEPT, after) == {}


def test_values_are_replaced_added_and_taken_out_key_by_key() -> None:
    after = {"solver": {"rate": 0.5, "momentum": 0.5}, "server": {"_target_": "Adam", "beta": 0.9}, "new": 1}
    together = replaced(KEPT, after, ["solver.rate", "server", "new", "seed", "no.where"])
    assert together["solver"] == {"rate": 0.5, "momentum": 0.0}
    assert (together["server"], together["new"], "seed" in together) == (after["server"], 1, False)
    assert KEPT["solver"]["rate"] == 0.1


@pytest.mark.parametrize("names", [["solver", "server"], ["solver.rate", "server._target_", "server.momentum"]])
def test_a_name_covers_everything_below_it(names: list[str]) -> None:
    admit_changes(FOUND, names)


@pytest.mark.parametrize(
    ("found", "names", "message"),
    [
        (
            FOUND,
            ["solve"],
            'solver.rate: 0.1 -> 0.05, server._target_: "Sgd" -> "Momentum", server.momentum: null -> 0.9: a resumed '
            "run keeps its configuration; drop it, add changed=[solve,solver.rate,server], or start a new run",
        ),
        (
            FOUND,
            ["server"],
            "solver.rate: 0.1 -> 0.05: a resumed run keeps its configuration; drop it, add "
            "changed=[server,solver.rate], or start a new run",
        ),
        (FOUND, ["solver", "server", "task"], "changed=[task]: what was kept is the same; drop task"),
        ({}, ["solver"], "changed=[solver]: what was kept is the same; drop solver"),
        (
            {**FOUND, "seed": (1, 2), "uplink.rate": (1, 2), "downlink.rate": (3, 4)},
            ["solver", "server", "seed"],
            "seed: 1 -> 2, uplink.rate: 1 -> 2, downlink.rate: 3 -> 4: cannot change, all that is random comes from it "
            "and memories at both ends were made with it; drop it, or start a new run",
        ),
    ],
)
def test_what_is_refused_is_said_in_one_line(
    found: dict[str, tuple[object, object]], names: list[str], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        admit_changes(found, names)
    assert str(caught.value) == message
