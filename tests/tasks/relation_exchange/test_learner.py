"""A client's round: its own network, what it is taught of the anchors, what it sends and what it keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fedkd.data import Split
from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.probes import Features, features
from fedkd.tasks.relation_exchange.own import Own
from fedkd.tasks.relation_exchange.relations import AnchorAim, among, target
from fedkd.trainers import Fastest, Pupil, Serial, Sgd, Update
from fedkd.vectors import flatten, unflatten
from tests.tasks.relation_exchange.toys import ANCHORS, EXCHANGE, KEY, STUDENTS, learner_of, networks, public, trained
from tests.tasks.ressl.toys import BATCH, RATE, samples

TABLE = (ANCHORS, ANCHORS - 1)
ALONE = replace(EXCHANGE, steps=0)


def first(client: int) -> torch.Tensor:
    return learner_of().first(client, 2, KEY)


def network(client: int, vector: torch.Tensor) -> torch.nn.Module:
    """The client's network [p], in training mode."""
    module = networks()[client % 2]
    unflatten(module, vector)
    return module


def own(update: Update) -> Own:
    assert update.kept is not None
    return learner_of()._layout.split(update.kept)


def another_table() -> torch.Tensor:
    """Relations that no network here has, with a row that says nothing."""
    x = torch.from_numpy(key(0, "data", 1).generator().random(TABLE))
    x[2] = 0
    return x.view(-1)


def test_the_model_is_a_table_that_says_nothing_at_first() -> None:
    learner = learner_of()
    assert learner.vector.tolist() == [0.0] * (ANCHORS * (ANCHORS - 1))
    assert [(tensor.name, tensor.shape) for tensor in learner.tensors] == [("relations", TABLE)]


def test_clients_begin_with_networks_of_their_own() -> None:
    learner = learner_of()
    firsts = [learner._layout.split(first(client)) for client in range(4)]
    assert [each.student for each in firsts] == [0, 1, 0, 1]
    assert all(len(first(client)) == learner.keeps for client in range(4))
    assert torch.equal(first(2), first(2))
    assert not torch.equal(firsts[0].network, firsts[2].network)
    expected = flatten(STUDENTS["b"].build((1, 2, 4), 2, KEY.fold("client", 3)))
    assert torch.equal(firsts[3].network, expected.double())


@pytest.mark.parametrize("client", [0, 1])
def test_the_update_leads_to_the_relations_of_the_trained_network(client: int) -> None:
    x = another_table()
    update = trained(learner_of(), client, x, first(client))
    outputs = network(client, own(update).network)(public().x[:ANCHORS]).detach()
    z = outputs / outputs.norm(dim=1, keepdim=True)
    torch.testing.assert_close(x - update.vector, among(z, EXCHANGE.tau_teacher).view(-1))


@pytest.mark.parametrize("client", [0, 1])
def test_the_steps_on_the_anchors_are_autograds(client: int) -> None:
    """Without local steps to follow: the round's only batches are those of the anchors."""
    learner, x = learner_of(), another_table()
    learner.begin(1)
    pupil = Pupil(x, samples(), key(0, "train", 1, client), first(client))
    learner.start(pupil, Sgd(RATE, 0.9, 0.0, 0.0))
    module = network(client, learner._layout.split(first(client)).network)
    aim, losses = AnchorAim(target(x.view(TABLE)), EXCHANGE.tau_student), []
    descent = torch.optim.SGD(module.parameters(), lr=RATE, momentum=0.9)
    for _ in range(EXCHANGE.steps):
        losses.append(aim.loss(module(public().x[:ANCHORS])))
        descent.zero_grad()
        torch.autograd.backward(losses[-1])
        descent.step()
    torch.testing.assert_close(
        learner.student.flat.read(), torch.cat([p.detach().view(-1) for p in module.parameters()])
    )
    assert losses[-1].item() < losses[0].item()
    statistics = learner.student.carried.read()
    assert torch.equal(statistics, learner._layout.split(first(client)).network[learner.student.flat.buffer.numel() :])
    assert learner.report([], samples().take(torch.arange(2)))[4] == pytest.approx(torch.stack(losses).mean().item())


@pytest.mark.parametrize("client", [0, 1])
def test_a_table_that_says_nothing_teaches_nothing(client: int) -> None:
    nothing = torch.zeros(ANCHORS * (ANCHORS - 1)).double()
    silent, alone = (
        trained(learner_of(), client, nothing, first(client)),
        trained(learner_of(ALONE), client, nothing, first(client)),
    )
    assert torch.equal(silent.vector, alone.vector)
    assert silent.numbers == alone.numbers
    assert silent.numbers[4] == 0
    taught = trained(learner_of(), client, another_table(), first(client))
    assert not torch.equal(own(taught).network, own(silent).network)


@pytest.mark.parametrize("client", [0, 1])
def test_alone_a_client_learns_as_with_ressl(client: int) -> None:
    """Two rounds of the local task, what is kept included."""
    learner, kept, local = learner_of(ALONE), first(client), None
    single = learner_of(ALONE).students[client]
    x = learner._layout.split(kept).network
    for round_ in range(2):
        update = trained(learner, client, another_table(), kept, round_)
        single.begin(round_)
        pupil = Pupil(x, samples(client=client), key(0, "train", round_, client), local)
        [expected] = Serial(1, BATCH, 2, "auto").train(single, Sgd(RATE, 0.0, 0.0, 0.0), [pupil])
        torch.testing.assert_close(own(update).network, x - expected.vector, rtol=0, atol=1e-14)
        assert own(update).local is not None
        torch.testing.assert_close(own(update).local, expected.kept, rtol=0, atol=1e-14)
        assert update.numbers[:4] == pytest.approx(expected.numbers)
        assert update.kept is not None
        x, kept, local = own(update).network, update.kept, own(update).local


def test_nothing_of_one_client_reaches_the_next() -> None:
    learner = learner_of()
    before = [trained(learner, client, another_table(), first(client)) for client in (0, 1, 2)]
    after = [trained(learner, client, another_table(), first(client)) for client in (2, 1, 0)]
    for one, other in zip(before, reversed(after), strict=True):
        assert torch.equal(one.vector, other.vector)
        assert one.kept is not None
        assert other.kept is not None
        assert torch.equal(one.kept, other.kept)


def test_a_local_task_that_keeps_no_queue_works_too() -> None:
    learner = learner_of(replace(EXCHANGE, local=replace(EXCHANGE.local, queue="reset")))
    kept = learner.first(0, 2, KEY)
    update = trained(learner, 0, another_table(), kept)
    assert update.kept is not None
    assert len(update.kept) == len(kept) == learner.keeps


def test_the_report_says_how_good_the_clients_network_is() -> None:
    """The same numbers as the probes give of the network that is kept."""
    update = trained(learner_of(), 1, another_table(), first(1))
    module, everything = network(1, own(update).network), samples().split

    def of(split: Split) -> Features:
        return Features(features(module, split.x), split.y.numpy())

    scores = EXCHANGE.probes.measure(of(everything), of(public()), key(0, "probe"))
    names = dict(zip(EXCHANGE.metrics, update.numbers, strict=True))
    assert (names["own_1_shot"], names["own_knn"]) == (scores["accuracy_1_shot"], scores["accuracy_knn"])


def test_the_servers_table_is_judged_by_the_anchors_labels() -> None:
    learner = learner_of()
    labels = public().y[:ANCHORS]
    alike = (labels[:, None] == labels).double()
    table = torch.stack([torch.cat([row[:a], row[a + 1 :]]) for a, row in enumerate(alike)])
    assert learner.evaluate(table.view(-1), samples().split) == {"accuracy_relations": 1.0}
    assert learner.evaluate(1 - table.view(-1), samples().split) == {"accuracy_relations": 0.0}


def test_only_one_client_after_another_is_worth_a_trial() -> None:
    assert {type(candidate) for candidate in Fastest(1, BATCH, 0).candidates(learner_of(), 20)} == {Serial}


def test_another_device_gets_the_same_learner() -> None:
    learner = learner_of()
    other = learner.on("cpu")
    assert other.tensors == learner.tensors
    assert torch.equal(
        trained(other, 1, another_table(), first(1)).vector, trained(learner, 1, another_table(), first(1)).vector
    )


def test_anchors_must_be_there() -> None:
    with pytest.raises(ConfigurationError, match="anchors=8 needs as many public samples, not 7; choose fewer"):
        learner_of(anchors=7)
