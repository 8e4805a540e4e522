"""Teachers that hear what travels beside the model: the mean of past models, the mean answers to each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.models import Mlp, Model, Projected
from fedkd.tasks import Batch, ClassLogits, PastModels
from fedkd.tasks.teachers.class_logits import CERTAIN, MeansOfClasses
from fedkd.tasks.teachers.past_models import MeanOfModels
from fedkd.tasks.teachers.training import predict
from fedkd.vectors import bind, flatten
from tests.e2e.runs import DIGITS, SMALL, STUDENT, kept, rounds_of, run
from tests.tasks.test_teachers import DATA, KEY, NOBODY, PARTS

RUN = (*SMALL, *DIGITS, *STUDENT, "algorithm=sgd", "rounds=3")


def test_the_mean_is_that_of_the_last_models() -> None:
    rule, models = MeanOfModels(models=3, dim=4), torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    state = rule.start(models[0])
    for number, model in enumerate(models):
        state = state if number == 0 else rule.after(state, model, None)
        expected = models[max(number - 2, 0) : number + 1].mean(0)
        torch.testing.assert_close(rule.tell(state), expected)
    assert state["models"].shape == (3, 4)


def test_the_mean_of_one_model_is_the_model_to_the_bit() -> None:
    rule, model = MeanOfModels(models=1, dim=3), torch.tensor([0.1, 3e38, 1e-40])
    state = rule.after(rule.start(torch.ones(3)), model, None)
    assert rule.tell(state).numpy().tobytes() == model.numpy().tobytes()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("model", [Mlp((4,)), Projected(Mlp((4,)), 5, 3, "batch")], ids=["plain", "normed"])
def test_past_models_answer_with_what_came_beside(model: Model, channels_last: bool) -> None:
    fitted = PastModels(models=2).fit(DATA, PARTS, KEY)
    mean, received = (model.build((2,), 3, key(0, "model").fold(name)) for name in ("mean", "received"))
    mean(DATA.test.x)  # moves statistics, where there are some
    bind(received, channels_last)
    logits = fitted.told(flatten(mean)).logits(1, received)
    assert torch.equal(logits, predict(mean, DATA.train.x[torch.from_numpy(PARTS[1])]))


def test_before_anything_was_told_the_received_model_answers() -> None:
    received = Mlp((4,)).build((2,), 3, key(0, "model"))
    logits = PastModels(models=2).fit(DATA, PARTS, KEY).logits(0, received)
    assert torch.equal(logits, predict(received, DATA.train.x[torch.from_numpy(PARTS[0])]))


def test_no_past_model_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="PastModels: models=0 is below 1; choose models >= 1"):
        PastModels(models=0)


def test_one_past_model_is_the_global_model(tmp_path: Path) -> None:
    """The same teacher on another way, where links lose nothing."""
    digests = []
    for teacher in (["teacher=past_models", "teacher.models=1"], ["teacher=global_model"]):
        digests.append(run(tmp_path / teacher[0], [*RUN, *teacher]).model_sha256)
    assert digests[0] == digests[1]


def test_past_models_differ_from_the_global_model_later(tmp_path: Path) -> None:
    one, three = (run(tmp_path / str(m), [*RUN, "teacher=past_models", f"teacher.models={m}"]) for m in (1, 3))
    assert one.model_sha256 != three.model_sha256
    assert len(kept(tmp_path / "3").server.beside["models"]) == 3


def table_of(outputs: torch.Tensor, y: torch.Tensor, classes: int) -> np.ndarray:
    """Means of rows by class; zeros without any."""
    return np.stack([outputs[y == c].numpy().mean(0) if (y == c).any() else np.zeros(classes) for c in range(classes)])


def test_class_means_are_those_of_all_clients_samples() -> None:
    rule, generator = MeansOfClasses(classes=4), torch.Generator().manual_seed(0)
    outputs = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    y = torch.randint(0, 3, (30,), generator=generator)
    total = torch.zeros(rule.up, dtype=torch.float64)
    for part in torch.arange(30).split([4, 17, 9]):
        total += rule.gather(outputs[part], Batch(outputs[part], y[part], None))
    state = rule.after(rule.start(torch.zeros(2)), torch.zeros(2), total)
    told = rule.tell(state)
    assert told is not None
    assert told.shape == (rule.down,)
    np.testing.assert_allclose(told[:16].view(4, 4), table_of(outputs, y, 4), rtol=1e-6)
    assert told[16:].tolist() == torch.bincount(y, minlength=4).tolist()


def test_a_class_that_nobody_had_keeps_its_mean() -> None:
    rule = MeansOfClasses(classes=2)
    first, later = torch.tensor([2.0, 4, 6, 8, 2, 4]).double(), torch.tensor([9.0, 3, 0, 0, 3, 0]).double()
    state = rule.after(rule.after(rule.start(torch.zeros(1)), torch.zeros(1), first), torch.zeros(1), later)
    assert rule.tell(state).tolist() == [3, 1, 1.5, 2, 3, 4]
    assert rule.after(state, torch.zeros(1), None) == state


def test_nothing_is_told_before_anyone_has_answered() -> None:
    rule = MeansOfClasses(classes=2)
    assert rule.tell(rule.start(torch.zeros(1))) is None


def test_class_logits_look_up_the_label() -> None:
    fitted = ClassLogits().fit(DATA, PARTS, KEY)
    labels = DATA.train.y[torch.from_numpy(PARTS[1])]
    assert torch.equal(fitted.logits(1, NOBODY), CERTAIN * torch.eye(3)[labels])
    vector = torch.cat((torch.arange(9.0), torch.tensor([1.0, 0, 5])))
    expected = torch.tensor([[0.0, 1, 2], [0, CERTAIN, 0], [6, 7, 8]])
    assert torch.equal(fitted.told(vector).logits(1, NOBODY), expected[labels])


def test_the_first_round_of_class_logits_learns_from_labels_alone(tmp_path: Path) -> None:
    """A class that is not known yet is answered with the label: the target is the label whatever its weight."""
    digests = {
        weight: run(tmp_path / weight, [*RUN, "experiment=feddistill", f"task.kd_weight={weight}", "rounds=1"])
        for weight in ("0.0", "0.7")
    }
    states = [kept(tmp_path / weight).server.model for weight in digests]
    torch.testing.assert_close(*states, rtol=0, atol=1e-6)


def test_what_the_server_tells_is_what_the_clients_answered(tmp_path: Path) -> None:
    run(tmp_path, [*RUN, "experiment=feddistill", "rounds=1"])
    server = kept(tmp_path).server
    assert server.beside["counts"].sum() == 160, "every sample once: only the last epoch counts"
    assert float(server.beside["means"].abs().sum()) > 0


def test_many_clients_at_once_send_what_they_send_one_after_another(tmp_path: Path) -> None:
    found = []
    for trainer in ("serial", "batched"):
        overrides = [*RUN, "experiment=feddistill", f"trainer={trainer}", "trainer.epochs=2", "trainer.batch_size=7"]
        run(tmp_path / trainer, overrides)
        found.append(kept(tmp_path / trainer).server.beside)
    assert torch.equal(found[0]["counts"], found[1]["counts"])
    torch.testing.assert_close(found[0]["means"], found[1]["means"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("experiment", "up", "down"), [("feddistill", 110, 110), ("fedgkd", 0, 610)])
def test_the_bytes_beside_are_counted(experiment: str, up: int, down: int, tmp_path: Path) -> None:
    lines = []
    for place, overrides in enumerate(([f"experiment={experiment}"], ["task=distillation", "teacher=global_model"])):
        run(tmp_path / str(place), [*RUN, *overrides])
        lines.append(rounds_of(tmp_path / str(place))[-1])
    grown = {name: lines[0][name] - lines[1][name] for name in ("bytes_up", "bytes_down_broadcast")}
    assert 4 * 4 * up <= grown["bytes_up"] <= 4 * (4 * up + 50)
    assert 4 * down <= grown["bytes_down_broadcast"] <= 4 * down + 100
    for line in lines:
        total = line["bytes_up"] + line["bytes_down_broadcast"] + line["bytes_down_unicast"]
        assert total == line["bytes_header"] + line["bytes_side"] + line["bytes_body"]
