"""A run of three rounds whose sums can be done in the head: 10 parameters, so 40 bytes a model."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from fedkd.records import Jsonl, Manifest, Outcome, RoundReport, RunInfo


def report(round_: int, accuracy: float | None, **changes: object) -> RoundReport:
    """Two clients asked; 20 bytes up, 8 broadcast, 2 unicast; half a second."""
    values: dict[str, object] = {
        "round": round_,
        "cohort": (0, 1),
        "missing": {},
        "remarks": {},
        "restarted": (),
        "bytes_up": 20,
        "bytes_down_broadcast": 8,
        "bytes_down_unicast": 2,
        "bytes_header": 6,
        "bytes_side": 4,
        "bytes_body": 20,
        "seconds": 0.5,
        "virtual_seconds": 2.5,
        "seconds_train": 0.6,
        "seconds_link": 0.1,
        "metrics": {} if accuracy is None else {"loss": 1 - accuracy, "accuracy": accuracy},
        "diagnostics": {"train_loss": 1.5, "DA": 0.02, "DV": 0.0005, "IV": 0.01, "inversion_rate": 0.125},
    }
    return RoundReport(**{**values, **changes})


@pytest.fixture
def reports() -> list[RoundReport]:
    """Accuracy .5, none, .75; one client does not answer in the last round."""
    return [
        report(0, 0.5),
        report(1, None),
        report(2, 0.75, missing={1: "no reply within 60 s"}, bytes_up=10, bytes_body=10),
    ]


@pytest.fixture
def make_info() -> Callable[..., RunInfo]:
    def make(folder: Path, name: str = "demo", rounds: int = 3, label_counts: object = None) -> RunInfo:
        counts = [[3, 1], [0, 4]] if label_counts is None else label_counts
        facts = {"data_sha256": "d" * 64, "partition_sha256": "e" * 64, "seed": 7, "threads": 1}
        facts |= {"teacher": {"teacher_test_accuracy": 0.9}}
        configuration = {"seed": 7, "rounds": rounds, "note": "<b>&"}
        return RunInfo(name, folder, "MCM", "Distillation", "digits", rounds, 2, 10, configuration, counts, facts)

    return make


@pytest.fixture
def leave(reports, make_info) -> Callable[..., Path]:
    """Leave a run behind, as a job does."""

    def leave(folder: Path, name: str = "demo", rounds: list[RoundReport] | None = None, **changes: object) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        done = reports if rounds is None else rounds
        recorders = (Jsonl(), Manifest())
        for recorder in recorders:
            recorder.start(make_info(folder, name, **changes))
        for one in done:
            for recorder in recorders:
                recorder.record(one)
        for recorder in recorders:
            recorder.finish(Outcome("finished", len(done), 1.5, "a" * 64, ""))
        return folder

    return leave


@pytest.fixture
def diverged() -> list[RoundReport]:
    return [report(0, 0.5), report(1, math.nan, diagnostics={"train_loss": math.inf})]
