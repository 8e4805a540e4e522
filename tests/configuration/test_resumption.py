"""Changes on the way that the kept state does not fit."""

from __future__ import annotations

import pytest

from fedkd.compose import compose
from fedkd.configuration import Settings
from fedkd.configuration.resumption import check_resumption
from fedkd.errors import ConfigurationError

BASE = ("data=digits", "task=supervised", "reduce_from=10")


def settings_of(*overrides: str) -> Settings:
    return Settings.of(compose([*BASE, *overrides]))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("task=supervised", "task=logistic", "task: Supervised -> Logistic: cannot change, the kept model is not"),
        ("teacher=none", "teacher=local", "teacher: none -> Local: cannot change, clients keep what it learns"),
        ("teacher=co_trained", "teacher=none", "teacher: CoTrained -> none: cannot change, clients keep what it"),
        ("teacher=local", "teacher.epochs=7", "teacher: Local -> Local: cannot change, clients keep what it learns"),
        ("task=ressl", "task.queue_size=64", "task.queue_size: 1024 -> 64: cannot change, clients keep what it says"),
        ("task=ressl", "task.teacher=average", "task.teacher: local -> average: cannot change"),
        ("task=ressl", "task.queue=reset", "task.queue: keep -> reset: cannot change"),
        ("task=ressl", "task.mixing=0.5", "task.mixing: False -> True: cannot change"),
        ("task=relation_exchange", "task.local.queue_size=64", "task.local.queue_size: "),
        ("deadline=none", "deadline=after deadline.seconds=9", "deadline: NoDeadline -> After: workers add"),
        ("deadline=quantile", "deadline.q=1", "deadline: Quantile -> Quantile: workers add"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_with_the_reason(before: str, after: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_resumption(settings_of(before), settings_of(before, *after.split()))
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith("; start a new run")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("task=supervised", "task=distillation"),
        ("teacher=none", "teacher=pretrained"),
        ("task=ressl", "task.momentum=0.9"),
        ("task=ressl", "task.on_collapse=stop"),
        ("solver=sgd", "solver.learning_rate=0.5"),
        ("server=sgd", "server=adam"),
        ("deadline=quantile", "deadline.q=0.5"),
    ],
)
def test_other_changes_fit(before: str, after: str) -> None:
    check_resumption(settings_of(before), settings_of(before, after))
