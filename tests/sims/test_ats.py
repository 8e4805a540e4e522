"""The study of asymmetric temperatures: its networks learn what they should, its numbers agree with one another."""

from __future__ import annotations

import itertools
import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fedkd.data import Split
from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.models import Mlp
from fedkd.tasks.targets import distillation_loss, target
from fedkd.vectors import Flat
from sims.distillation.grounds import ground
from sims.distillation.networks import Gradients, Recipe
from sims.distillation.picks import Row, best, rows, verdict
from sims.distillation.study import study
from sims.distillation.targets import Target, describe, grid
from sims.figures import ats

pytestmark = pytest.mark.xdist_group("ats")

CLASSES = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("ats")
    ats.main(["--quick", f"output={found}"])
    return found


@pytest.fixture(scope="module")
def found(folder: Path) -> Any:
    return json.loads((folder / "hierarchical.json").read_text())


@pytest.fixture
def samples() -> Split:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 6, generator=generator)
    return Split(x, torch.randint(CLASSES, (40,), generator=generator))


@pytest.fixture
def logits() -> torch.Tensor:
    return 4 * torch.randn(40, CLASSES, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
def test_the_three_terms_sum_to_the_cross_entropy(found: Any) -> None:
    measured = [one for teacher in found["teachers"] for row in teacher["rows"] for one in row["composition"]]
    assert len(measured) == 3 * 8 * 2
    for one in measured:
        parts = one["correct"] + one["smooth"] + one["discriminability"]
        assert parts == pytest.approx(one["cross_entropy"], rel=1e-5)


@pytest.mark.slow
def test_differences_are_those_of_the_rows_seed_by_seed(found: Any) -> None:
    for teacher in found["teachers"]:
        tests = {row["label"]: row["test"] for row in teacher["rows"]}
        for one in teacher["differences"]:
            expected = [100 * (a - b) for a, b in zip(tests[one["first"]], tests[one["second"]], strict=True)]
            assert one["by_seed"] == pytest.approx(expected)
            assert one["mean"] == pytest.approx(statistics.fmean(expected))
            assert one["deviation"] == pytest.approx(statistics.stdev(expected))
            assert one["wins"] == sum(value > 0 for value in expected)


@pytest.mark.slow
def test_validation_picks(found: Any) -> None:
    for teacher in found["teachers"]:
        targets = [Target(**one) for one in teacher["targets"]]
        means = [statistics.fmean(values) for values in zip(*teacher["validation"], strict=True)]
        chosen = {row["label"]: row["chosen"] for row in teacher["rows"]}
        for kind in ("TS", "ATS"):
            every = [place for place, one in enumerate(targets) if one.kind == kind]
            usual = [place for place in every if targets[place].kd_weight == 0.5]
            assert means[chosen[f"{kind} any weight"][0]] == max(means[place] for place in every)
            assert means[chosen[kind][0]] == max(means[place] for place in usual)
            by_seed = [max(one[place] for place in usual) for one in teacher["validation"]]
            picked = [one[place] for one, place in zip(teacher["validation"], chosen[f"{kind} by seed"], strict=True)]
            assert picked == by_seed


def test_the_test_split_can_not_change_what_is_picked() -> None:
    targets = grid((0.5, 1.0), (1.0, 2.0), (3.0,), (2.0,))
    found = {
        row.label: row for row in rows(targets, [[0.1, 0.2, 0.3, 0.4, 0.5, 0.2, 0.6], [0.1, 0.5, 0.3, 0, 0, 0, 0]])
    }
    assert found["TS"] == Row("TS", (1, 1))
    assert found["TS by seed"].chosen == (2, 1)
    assert found["ATS any weight"].chosen == (6, 6)
    assert targets[found["ATS(3, 2)"].chosen[0]] == Target(0.5, 3.0, 2.0)


@pytest.mark.slow
def test_labels_alone_know_no_teacher(found: Any) -> None:
    """Students of all teachers begin alike and see the same batches; CE has the same aims with each."""
    small, medium, large = (teacher["rows"][0]["test"] for teacher in found["teachers"])
    assert small == medium == large


@pytest.mark.slow
def test_files_are_written(folder: Path, found: Any) -> None:
    page = (folder / "hierarchical.html").read_text()
    assert "paired differences on test" in page
    assert found["words"][0] in page
    assert "<script" not in page
    assert (folder / "hierarchical.png").read_bytes().startswith(b"\x89PNG")
    assert [curve["label"] for curve in found["curves"][1]["curves"]] == ["TS(tau)", "ATS(tau, 2)"]


def test_images_are_studied_in_the_same_way() -> None:
    """One teacher, without the figure."""
    whole = ground("mnist5k", "tiny", "sgd")
    alone = replace(whole, teachers={"small": whole.teachers["small"]})
    with torch.no_grad():
        (outcome,) = study(alone, grid((0.5,), (1.0, 2.0), (3.0,), (2.0,)), (0, 1), center=True, say=lambda _: None)
    assert [len(test) for test in outcome.test] == [2] * 8
    assert all(school.logits.mean(-1).abs().max() < 1e-5 for school in outcome.schools)
    accuracies = {row.label: test for row, test in zip(outcome.rows, outcome.test, strict=True)}
    network = outcome.schools[1].students.pick([0])
    assert network.accuracies(whole.source.load(key(1, "data")).test) == [accuracies["CE"][1]]


def test_stacked_gradients_are_those_of_autograd(samples: Split, logits: torch.Tensor) -> None:
    points = [Target(), Target(0.5, 2.0, 2.0), Target(0.8, 4.0, 2.0)]
    aims = torch.stack([point.aim(logits, samples.y) for point in points])
    networks = Recipe((7, 4), 1, 40, 0.0, "sgd").train(samples, aims, key(0, "train"))
    gradients = Gradients(networks.flat)
    networks.differentiate(samples.x, aims, gradients)
    network = Mlp((7, 4)).build((6,), CLASSES, key(0, "train").fold("model"))
    for place, point in enumerate(points):
        z = network(samples.x)
        q = target(logits, samples.y, point.tau_true, point.tau_other)
        loss = (1 - point.kd_weight) * torch.nn.functional.cross_entropy(z, samples.y)
        loss = loss + point.kd_weight * distillation_loss(z, q, 1.0)
        expected = torch.cat([one.reshape(-1) for one in torch.autograd.grad(loss, list(network.parameters()))])
        torch.testing.assert_close(gradients.buffer[place], expected, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_students_do_not_see_one_another(samples: Split, logits: torch.Tensor, solver: str) -> None:
    aims = torch.stack([point.aim(logits, samples.y) for point in grid((0.5,), (1.0, 3.0), (3.0,), (2.0,))])
    recipe = Recipe((8,), 3, 16, 0.01, solver)
    together = recipe.train(samples, aims, key(0, "train"))
    for place in range(len(aims)):
        alone = recipe.train(samples, aims[place : place + 1], key(0, "train"))
        torch.testing.assert_close(together.pick([place]).flat.buffer, alone.flat.buffer, atol=1e-5, rtol=1e-4)


def test_a_recipe_learns(samples: Split) -> None:
    labels = torch.nn.functional.one_hot(samples.y, CLASSES).float()[None]
    fitted = Recipe((64,), 200, 20, 0.05, "sgd").train(samples, labels, key(0, "train"))
    assert fitted.accuracies(samples) == [1.0]
    assert fitted.logits(samples.x).shape == (1, 40, CLASSES)


@pytest.mark.parametrize(("solver", "kept"), [("sgd", True), ("adam", False)])
def test_sgd_keeps_the_mean_of_the_logits(samples: Split, solver: str, kept: bool) -> None:
    """The gradient of a softmax sums to zero over the classes, hence the last layer's sums stay where they began."""
    labels = torch.nn.functional.one_hot(samples.y, CLASSES).float()[None]
    sums = [
        Recipe((8,), 20, 20, rate, solver).train(samples, labels, key(0, "train")).flat.views[2].sum(1)
        for rate in (0.0, 0.01)
    ]
    assert torch.allclose(sums[0], sums[1], atol=1e-5) == kept


def test_a_diverging_recipe_is_refused(samples: Split) -> None:
    labels = torch.nn.functional.one_hot(samples.y, CLASSES).float()[None]
    with pytest.raises(ConfigurationError, match="diverged"):
        Recipe((8, 8, 8), 40, 4, 1e9, "sgd").train(samples, labels, key(0, "train"))


def test_one_sample_obeys_the_identity_of_the_variances(logits: torch.Tensor) -> None:
    y = logits.argmax(-1)
    for place, point in itertools.product(range(5), (Target(0.5, 2.0, 2.0), Target(0.5, 6.0, 3.0))):
        one = describe(point, logits[place : place + 1].double(), y[place : place + 1])
        assert one["DV"] == pytest.approx((CLASSES - 1) ** 2 * one["DA"] ** 2 * one["IV"], rel=1e-12)


def test_the_grid_has_labels_first_and_the_labels_temperature_above() -> None:
    points = grid((0.5, 1.0), (1.0, 4.0), (2.0, 3.0), (1.0, 2.0))
    assert [point.kind for point in points] == ["CE"] + 4 * ["TS"] + 6 * ["ATS"]
    assert [point.name for point in points[5:8]] == ["ATS(2, 1)", "ATS(3, 1)", "ATS(3, 2)"]


def test_an_aim_is_labels_and_target(logits: torch.Tensor) -> None:
    y = logits.argmin(-1)
    assert torch.equal(Target().aim(logits, y), torch.nn.functional.one_hot(y, CLASSES).float())
    assert torch.equal(Target(1.0, 3.0, 3.0).aim(logits, y), torch.softmax(logits / 3, dim=-1))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.4, 0.5, 0.6, 0.4, 0.5, -0.1], "wins"),
        ([-0.4, -0.5, -0.6, -0.4, -0.5, 0.1], "loses"),
        ([0.4, 0.5, 0.6, 0.4, -0.1, -0.1], "even"),
        ([0.1, 3.0, 0.1, 0.1, 0.1, 0.1], "even"),
        ([1.0], "even"),
    ],
)
def test_a_verdict_needs_the_seeds(values: list[float], expected: str) -> None:
    assert verdict(values) == expected


def test_another_student_can_be_asked_for() -> None:
    usual, other = ats.Asked().ground("hierarchical"), ats.Asked(student=(64, 16), epochs=7).ground("hierarchical")
    assert (other.student.hidden, other.student.epochs) == ((64, 16), 7)
    assert replace(other, student=usual.student) == usual


def test_the_first_of_equals_is_picked() -> None:
    assert best([2, 0, 1], [[0.5, 0.5, 0.4], [0.5, 0.5, 0.4]]) == 0


def test_a_copy_of_picked_networks_is_flat() -> None:
    flat = Flat(torch.arange(6.0).view(2, 3), [(1, 2), (1,)])
    assert Gradients(flat).buffer.shape == (2, 3)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("kd_weights=0.9", "with 0.5 among them"),
        ("data=cifar", "choose hierarchical, mnist5k, fashion"),
        ("tau_true=4,6", r"lacks ATS\(3, 2\)"),
        ("teacher_solver=lion", "choose sgd, adam"),
        ("taus=-1", "choose taus >="),
        ("seeds=", "number of seeds"),
        ("student=0", "choose student >= 1"),
        ("epochs=-1", "choose epochs >= 0"),
        ("tau=3", "did you mean taus"),
    ],
)
def test_bad_input_is_named(argument: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        ats.main([argument])
