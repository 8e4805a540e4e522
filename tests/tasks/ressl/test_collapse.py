"""Embeddings that have become one point: what rounds say of them, and what becomes of the run."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fedkd.keys import key
from fedkd.records import read_reports
from fedkd.tasks.ressl.relations import Aim, normalised, relations
from fedkd.trainers import Pupil, Serial, Sgd
from tests.e2e.runs import EXCHANGE, RESSL, kept, resume, run
from tests.tasks.relation_exchange.toys import EXCHANGE as OWN
from tests.tasks.ressl.toys import TASK, learner_of
from tests.tasks.ressl.toys import samples as client_samples

COLLAPSING = (*RESSL, "model.trunk.norm=none", "model.norm=none", "solver.learning_rate=0.1", "rounds=3")
"""Without BatchNorm, on a network whose outputs hardly depend on the sample."""
EXCHANGING = (
    *EXCHANGE,
    *(f"task.students.{name}.{part}norm=none" for name in ("cnn", "resnet", "small_cnn") for part in ("", "trunk.")),
    *("solver.learning_rate=0.1", "rounds=3"),
)


@pytest.mark.parametrize(("cosine", "said"), [(0.5, False), (0.98, False), (0.9801, True), (1.0, True)])
def test_the_alarm_is_above_98_hundredths(cosine: float, said: bool) -> None:
    alarm = TASK.alarm({"cosine": cosine})
    assert bool(alarm) is said
    assert not said or f"mean cosine of {cosine:.4f}, above 0.98; choose" in alarm


def test_no_round_without_clients_is_alarming() -> None:
    assert TASK.alarm({}) == ""


def test_of_a_constant_embedding_the_loss_is_ln_k_and_the_cosine_one() -> None:
    keys = normalised(torch.ones(16, 4).double())
    z = torch.full((6, 4), 2.0).double()
    sums = Aim(relations(normalised(z), keys, 0.04), keys, 0.1).sums(z, torch.ones(6))
    assert sums.loss.item() / 6 == pytest.approx(math.log(16))
    assert sums.cosine.item() / 6 == pytest.approx(1)
    assert sums.entropy.item() / 6 == pytest.approx(1)


def test_cosines_are_those_of_pairs() -> None:
    z = torch.randn(7, 4, generator=torch.Generator().manual_seed(0)).double()
    there = torch.tensor([1.0, 1, 1, 1, 1, 0, 0]).double()
    keys = normalised(torch.ones(3, 4).double())
    unit = normalised(z[:5])
    pairs = [(unit[i] @ unit[j]).item() for i in range(5) for j in range(5) if i != j]
    sums = Aim(relations(normalised(z), keys, 0.04), keys, 0.1).sums(z, there)
    assert sums.cosine.item() / 5 == pytest.approx(sum(pairs) / len(pairs))


def test_a_run_goes_on_and_says_it_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = run(tmp_path, [*COLLAPSING, "recorder=console"])
    assert outcome.reason == "finished"
    reports = read_reports(tmp_path)
    assert [bool(report.alarm) for report in reports] == [False, True, True]
    assert capsys.readouterr().out.count("embeddings of different samples have a mean cosine of") == 1


@pytest.mark.parametrize("path", ["task", "task.local"])
def test_a_run_that_is_told_to_stops_with_its_checkpoint_and_says_how_to_go_on(path: str, tmp_path: Path) -> None:
    outcome = run(tmp_path, [*(COLLAPSING if path == "task" else EXCHANGING), f"{path}.on_collapse=stop"])
    assert (outcome.reason, outcome.rounds) == ("failed", 2)
    assert outcome.message.startswith("round 2: collapse: embeddings of different samples")
    assert kept(tmp_path).server.round == 2
    said = outcome.message.rpartition("; or go on with ")[2].split()
    assert said == [f"resume={tmp_path}", f"changed=[{path}.on_collapse]", f"{path}.on_collapse=warn"]
    assert resume(tmp_path, 3, *said[1:]).reason == "finished"


def test_the_advice_is_what_can_be_changed() -> None:
    for task, norm in ((TASK, "model.norm"), (OWN, "task.students.NAME.norm")):
        assert task.alarm({"cosine": 1.0}).endswith(f"; choose {norm}=batch")
    even = replace(TASK, tau_teacher=TASK.tau_student)
    assert even.alarm({"cosine": 1.0}).endswith("=batch, and task.tau_teacher < task.tau_student")
    both = replace(OWN, local=replace(OWN.local, tau_teacher=OWN.local.tau_student))
    assert both.alarm({"cosine": 1.0}).endswith("=batch, and task.local.tau_teacher < task.local.tau_student")


def test_a_run_with_batch_norm_says_nothing(tmp_path: Path) -> None:
    run(tmp_path, RESSL)
    assert [report.alarm for report in read_reports(tmp_path)] == ["", ""]


@pytest.mark.parametrize("samples", [13, 7, 2, 1])
def test_single_samples_do_not_hide_it(samples: int) -> None:
    """Of a constant network; a last batch of one sample has no pairs."""
    learner = learner_of(TASK)
    x = torch.zeros_like(learner.vector)
    x[-4:] = 1
    pupil = Pupil(x, client_samples(samples), key(0, "train", 0, 1))
    [update] = Serial(1, 6, 0, "auto").train(learner, Sgd(1e-12, 0.0, 0.0, 0.0), [pupil])
    assert update.numbers[1] == pytest.approx(1.0 if samples > 1 else 0.0)


def test_what_diverges_is_no_collapse() -> None:
    assert TASK.alarm({"cosine": math.nan}).startswith("divergence: embeddings are not finite; choose a smaller")
