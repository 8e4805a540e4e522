"""Teachers: caching, determinism, what each may see, and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from fedkd.data import Dataset, Split
from fedkd.errors import ConfigurationError
from fedkd.models import Linear, Mlp, Model, Projected
from fedkd.tasks import CachedLogits, FittedTeacher, GlobalModel, Local, Pretrained, Teacher
from fedkd.tasks.teachers.training import measured_accuracy, pinned_threads, predict
from fedkd.vectors import flatten
from fedkd_compression.keys import Key

KEY = Key.of(0, "teacher")
PARTS = [np.array([4, 1, 7]), np.arange(10, 40), np.arange(40, 60)]
PRETRAINED = Pretrained(Mlp((8,)), epochs=5, batch_size=16, learning_rate=0.02, threads=1)
LOCAL = Local(Mlp((8,)), epochs=5, batch_size=16, learning_rate=0.02, threads=1)
NOBODY = torch.nn.Identity()


def blobs(count: int, seed: int) -> Split:
    """Three well separated classes in the plane."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    x = np.array([[0, 4], [4, 0], [-4, -4]])[y] + rng.standard_normal((count, 2))
    return Split(torch.from_numpy(x).float(), torch.from_numpy(y))


DATA = Dataset("blobs", blobs(60, 0), blobs(50, 1), blobs(120, 2), classes=3, owner=None)


def all_logits(fitted: FittedTeacher) -> list[torch.Tensor]:
    return [fitted.logits(client, NOBODY) for client in range(len(PARTS))]


@pytest.mark.parametrize("teacher", [PRETRAINED, LOCAL], ids=["pretrained", "local"])
def test_equal_keys_give_equal_logits_and_other_keys_other_logits(teacher: Teacher) -> None:
    torch.manual_seed(1)
    first = all_logits(teacher.fit(DATA, PARTS, KEY))
    torch.manual_seed(2)
    second = all_logits(teacher.fit(DATA, PARTS, KEY))
    other = all_logits(teacher.fit(DATA, PARTS, Key.of(1, "teacher")))
    for a, b, c in zip(first, second, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


@pytest.mark.parametrize("teacher", [PRETRAINED, LOCAL], ids=["pretrained", "local"])
def test_fitting_leaves_the_threads_and_the_global_generator_alone(teacher: Teacher) -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    teacher.fit(DATA, PARTS, KEY).logits(1, NOBODY)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("teacher", [PRETRAINED, LOCAL], ids=["pretrained", "local"])
def test_logits_are_a_table_of_the_clients_samples_without_gradient(teacher: Teacher) -> None:
    for part, logits in zip(PARTS, all_logits(teacher.fit(DATA, PARTS, KEY)), strict=True):
        assert logits.shape == (len(part), 3)
        assert logits.dtype == torch.float32
        assert not logits.requires_grad


def test_pretrained_rows_follow_the_order_of_the_part() -> None:
    everything = PRETRAINED.fit(DATA, [np.arange(60)], KEY).logits(0, NOBODY)
    fitted = PRETRAINED.fit(DATA, PARTS, KEY)
    for client, part in enumerate(PARTS):
        assert torch.equal(fitted.logits(client, NOBODY), everything[torch.from_numpy(part)])


def test_pretrained_learns_from_public_samples_alone() -> None:
    flipped = Split(DATA.train.x, (DATA.train.y + 1) % 3)
    blind = PRETRAINED.fit(dataclasses.replace(DATA, train=flipped), PARTS, KEY)
    fitted = PRETRAINED.fit(DATA, PARTS, KEY)
    assert torch.equal(blind.logits(1, NOBODY), fitted.logits(1, NOBODY))
    assert fitted.summary()["teacher_test_accuracy"] > 0.9


def test_training_is_adam_whose_rate_falls_linearly_to_zero() -> None:
    table = PRETRAINED.fit(DATA, [np.arange(60)], KEY).logits(0, NOBODY)
    network = PRETRAINED.model.build((2,), 3, KEY.fold("model"))
    optimizer = torch.optim.Adam(network.parameters(), lr=1.0)
    for step in range(5 * 8):  # 120 samples are 8 batches of 16, the last of them half full
        order = KEY.fold("order").fold(step // 8).permutation(120)
        chosen = torch.from_numpy(order)[16 * (step % 8) : 16 * (step % 8 + 1)]
        optimizer.param_groups[0]["lr"] = 0.02 - step * 0.02 / 40
        optimizer.zero_grad()
        log_p = torch.log_softmax(network(DATA.public.x[chosen]), -1)
        (-log_p[torch.arange(len(chosen)), DATA.public.y[chosen]].mean()).backward()
        optimizer.step()
    torch.testing.assert_close(table, network(DATA.train.x).detach(), rtol=1e-4, atol=1e-4)


def test_pretrained_without_public_samples_is_refused() -> None:
    empty = DATA.public.take(np.arange(0))
    with pytest.raises(ConfigurationError, match="'blobs' has 0 public samples; choose data"):
        PRETRAINED.fit(dataclasses.replace(DATA, public=empty), PARTS, KEY)


def test_local_sees_only_its_own_samples() -> None:
    x, y = DATA.train.x.clone(), DATA.train.y.clone()
    own = torch.zeros(60, dtype=torch.bool).index_fill(0, torch.from_numpy(PARTS[1]), True)
    x[~own], y[~own] = 100.0, 0
    elsewhere = dataclasses.replace(DATA, train=Split(x, y), public=blobs(9, 5), test=blobs(9, 6))
    before = LOCAL.fit(DATA, PARTS, KEY)
    after = LOCAL.fit(elsewhere, PARTS, KEY)
    assert torch.equal(before.logits(1, NOBODY), after.logits(1, NOBODY))
    assert not torch.equal(before.logits(2, NOBODY), after.logits(2, NOBODY))


def test_local_trains_a_client_once_when_it_is_first_used_in_any_order() -> None:
    forward, backward = LOCAL.fit(DATA, PARTS, KEY), LOCAL.fit(DATA, PARTS, KEY)
    assert forward.summary() == {"teachers_trained": 0.0}
    first = [forward.logits(client, NOBODY) for client in (0, 1, 2)]
    last = [backward.logits(client, NOBODY) for client in (2, 1, 0)][::-1]
    for a, b in zip(first, last, strict=True):
        assert torch.equal(a, b)
    assert all(forward.logits(client, NOBODY) is first[client] for client in (0, 1, 2))
    assert forward.summary() == backward.summary()
    assert forward.summary()["teachers_trained"] == 3
    assert forward.summary()["teacher_test_accuracy"] > 0.5


def test_local_teachers_differ_between_clients_with_equal_samples() -> None:
    fitted = LOCAL.fit(DATA, [PARTS[1], PARTS[1]], KEY)
    assert not torch.equal(fitted.logits(0, NOBODY), fitted.logits(1, NOBODY))


def test_global_model_follows_the_received_model() -> None:
    fitted = GlobalModel().fit(DATA, PARTS, KEY)
    network = Linear(bias=True).build((2,), 3, Key.of(3, "model"))
    x = DATA.train.x[torch.from_numpy(PARTS[0])]
    for _ in range(2):
        logits = fitted.logits(0, network)
        torch.testing.assert_close(logits, network(x).detach())
        assert not logits.requires_grad
        with torch.no_grad():
            next(network.parameters()).mul_(2)
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert fitted.summary() == {}


def test_global_model_answers_by_running_statistics_and_leaves_them_alone() -> None:
    network = Projected(Mlp((4,)), 5, 3, "batch").build((2,), 3, Key.of(3, "model"))
    network(DATA.public.x)
    before = flatten(network)
    logits = GlobalModel().fit(DATA, PARTS, KEY).logits(0, network)
    assert torch.equal(flatten(network), before)
    assert network.training
    assert torch.equal(logits, network.eval()(DATA.train.x[torch.from_numpy(PARTS[0])]))


def test_a_teacher_with_batch_norm_answers_to_every_sample_alone() -> None:
    """By running statistics, hence as accurately as it has learned."""
    teacher = dataclasses.replace(PRETRAINED, model=Projected(Mlp((8,)), 5, 3, "batch"))
    assert teacher.fit(DATA, PARTS, KEY).summary()["teacher_test_accuracy"] > 0.9
    network = teacher._recipe().train(DATA.public, 3, KEY)
    together = predict(network, DATA.train.x)
    torch.testing.assert_close(torch.cat([predict(network, x[None]) for x in DATA.train.x]), together)


def test_cached_logits_answer_from_a_table_that_came_from_elsewhere() -> None:
    table = torch.arange(60.0).reshape(20, 3)
    fitted = CachedLogits(table, [np.array([5, 2])], {"teacher_test_accuracy": 0.5})
    assert torch.equal(fitted.logits(0, NOBODY), table[[5, 2]])
    assert fitted.summary() == {"teacher_test_accuracy": 0.5}


def test_predict_works_in_chunks_in_evaluation_mode() -> None:
    network = torch.nn.Sequential(torch.nn.Dropout(0.9), torch.nn.Linear(1, 1, bias=False)).train()
    x = torch.arange(2500.0).unsqueeze(1)
    torch.testing.assert_close(predict(network, x), x * network[1].weight.item())
    assert network.training


def test_pinned_threads_returns_to_the_former_number_after_an_error() -> None:
    former = torch.get_num_threads()

    def fail() -> None:
        with pinned_threads(former + 1):
            assert torch.get_num_threads() == former + 1
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert torch.get_num_threads() == former


@pytest.mark.parametrize("teacher", [PRETRAINED, LOCAL, GlobalModel()], ids=lambda t: type(t).__name__)
def test_data_without_classes_is_refused(teacher: Teacher) -> None:
    with pytest.raises(ConfigurationError, match="'blobs' has 0 classes, needs 2"):
        teacher.fit(dataclasses.replace(DATA, classes=0), PARTS, KEY)


@pytest.mark.parametrize("kind", [Pretrained, Local])
@pytest.mark.parametrize(("field", "value"), [("epochs", 0), ("batch_size", 0), ("learning_rate", 0.0), ("threads", 0)])
def test_a_bad_value_is_refused_with_the_fix(kind: type[Teacher], field: str, value: float) -> None:
    model: Model = Mlp((8,))
    values = {"model": model, "epochs": 1, "batch_size": 8, "learning_rate": 0.1, "threads": 1}
    with pytest.raises(ConfigurationError, match=f"{kind.__name__}: {field}={value} .*; choose {field} >"):
        kind(**(values | {field: value}))


def test_divergence_is_refused() -> None:
    teacher = dataclasses.replace(PRETRAINED, learning_rate=1e30)
    with pytest.raises(ConfigurationError, match=r"learning_rate=1e\+30 diverged; choose a smaller one"):
        teacher.fit(DATA, PARTS, KEY)


def test_accuracy_is_measured_on_evenly_spaced_samples() -> None:
    sorted_by_class = Split(torch.eye(2).repeat_interleave(500, 0), torch.zeros(1000, dtype=torch.int64))
    assert measured_accuracy(torch.nn.Identity(), sorted_by_class, 10) == {"teacher_test_accuracy": 0.5}
    assert measured_accuracy(torch.nn.Identity(), sorted_by_class.take(np.arange(0)), 10) == {}
