"""What cannot be is said in one line, with a way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fedkd.errors import ConfigurationError
from tests.e2e.runs import EXCHANGE as RUN
from tests.e2e.runs import resume, run, settings_of
from tests.tasks.relation_exchange.toys import EXCHANGE, LOCAL

FIELDS: dict[str, tuple[dict[str, object], str]] = {
    "no student": ({"students": {}}, r"students=\{\} is empty; give one model or more"),
    "one anchor": ({"anchors": 1}, "anchors=1 is below 2; choose anchors >= 2"),
    "anchors": ({"anchors": 10**6}, "anchors=1000000 exceeds 32768; choose anchors <= 32768"),
    "steps": ({"steps": -1}, r"steps=-1 is not in \[0, inf\); choose steps >= 0"),
    "tau_student": ({"tau_student": 0.0}, "tau_student=0.0 is not positive and finite; choose tau_student > 0"),
    "tau_teacher": ({"tau_teacher": -1.0}, "tau_teacher=-1.0 is not positive and finite; choose tau_teacher > 0"),
    "average": (
        {"local": replace(LOCAL, teacher="average")},
        "local.teacher='average', but no network is received; choose local.teacher = local",
    ),
    "mixing": ({"local": replace(LOCAL, mixing=0.5)}, "local.mixing=0.5, but no network is received; choose"),
}
SETTINGS = {
    "batched": ("trainer=batched", "trainer: Batched trains one architecture, .*; choose trainer=serial"),
    "model": ("model=mlp", "model: Mlp, but clients have task.students; choose model=none"),
    "gradient": ("solver=gradient", "solver: Gradient leaves a network where it is, .*; choose solver=sgd"),
    "batch": ("trainer.batch_size=33", r"batch_size=33 is outside \[2, 32\].* <= task.local.queue_size"),
    "public": ("data.public=19", "anchors=20 needs 20 public samples, data.public=19; choose data.public >= 20"),
    "student": (
        "+task.students.mlp={_target_: fedkd.models.Mlp, hidden: [4]}",
        "task.students.mlp: Mlp has no projector, which is trained; choose one as model=projected is",
    ),
}
CHANGES = {
    "anchors": ("task.anchors=19", "task.anchors: 20 -> 19: cannot change"),
    "students": ("task.students.cnn.output=9", "task.students: cnn: cannot change"),
}


@pytest.mark.parametrize("case", FIELDS)
def test_fields(case: str) -> None:
    changes, message = FIELDS[case]
    changed: Callable[..., object] = replace
    with pytest.raises(ConfigurationError, match=message):
        changed(EXCHANGE, **changes)


@pytest.mark.parametrize("case", SETTINGS)
def test_what_does_not_go_together(case: str, tmp_path: Path) -> None:
    override, message = SETTINGS[case]
    overrides = [*RUN, override]
    with pytest.raises(ConfigurationError, match=message) as caught:
        run(tmp_path, overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", CHANGES)
def test_a_run_goes_on_with_what_its_clients_keep(case: str, tmp_path: Path) -> None:
    override, message = CHANGES[case]
    run(tmp_path, [*RUN, "rounds=1"])
    with pytest.raises(ConfigurationError, match=message):
        resume(tmp_path, 2, override, "changed=[task]")


def test_a_plain_run_is_accepted() -> None:
    assert settings_of(RUN).model is None
