"""The benchmark beside other simulators: the same work for all rows, and a row that does other work is named."""

import importlib
import sys
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from fedkd.executors.in_process import Local

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def peers():
    """Imports a module as its scripts do; the names are not kept for other tests."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        patch.syspath_prepend(BENCHMARKS / "peers")
        yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCHMARKS)):
            del sys.modules[name]


@pytest.fixture
def work(peers):
    write = peers("write")
    return write.work("mlp", write.Sizes(rounds=4, warm_up=2, clients=6, samples=40, cohort=3))


def test_work_is_the_same_when_drawn_again_and_when_read(peers, work, tmp_path):
    write = peers("write")
    again = write.work("mlp", write.Sizes(rounds=4, warm_up=2, clients=6, samples=40, cohort=3))
    work.write(tmp_path / "work.npz")
    for other in (again, peers("work").Work.read(tmp_path / "work.npz")):
        for field in fields(work):
            one, two = getattr(work, field.name), getattr(other, field.name)
            assert torch.equal(one, two) if isinstance(one, torch.Tensor) else one == two


def test_an_order_is_of_all_samples_and_another_in_every_round(work):
    assert work.orders.shape == (4, 3, 40)
    assert (work.orders.sort().values == torch.arange(40)).all()
    assert len({tuple(order.tolist()) for order in work.orders.flatten(0, 1)}) == 12


@pytest.mark.parametrize("fused", ["auto", "off"])
def test_plain_pytorch_and_fedkd_end_with_the_same_model(peers, work, fused):
    job = peers("row_fedkd").job(work, "identity", fused)
    here = replace(job, settings=replace(job.settings, executor=Local()))
    with peers("workload").rounds(here) as models:
        *_, ours = islice(models, work.rounds)
    *_, plain = peers("row_plain").train(work)
    theirs = peers("work").vector(plain)
    far = (theirs - work.initial).norm()
    assert (ours - theirs).norm() < 1e-5 * far
    assert work.loss(ours) == pytest.approx(work.loss(theirs), rel=1e-6)
    assert work.loss(theirs) < 0.99 * work.loss(work.initial)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_row_is_run_and_measured(peers, work, tmp_path):
    bench = peers("run").Bench("mlp", tmp_path, rounds=2)
    work.write(bench.work)
    measured = bench.run(peers("rows").ROWS[0])
    *_, plain = peers("row_plain").train(work)
    assert measured.loss == pytest.approx(work.loss(peers("work").vector(plain)), rel=1e-5)
    assert measured.early > measured.loss
    assert len(measured.seconds) == 2
    assert measured.memory > 50


def test_a_row_that_fails_says_why(peers, tmp_path):
    bench = peers("run").Bench("mlp", tmp_path, rounds=1)
    with pytest.raises(RuntimeError, match="exit code 1: FileNotFoundError"):
        bench.run(peers("rows").ROWS[0])


def test_medians_and_ratios(peers):
    table = peers("table")
    passes = {
        "plain": [table.Measured((2.0, 4.0, 9.0), 1.0, 10.0, 1.0, 0.5, "one")],
        "pfl": [table.Measured((seconds,), 1.0, 10.0, 1.0, 0.5, "two") for seconds in (9.0, 8.0, 1.0)],
        "pfl_2p": [table.Measured((2.0,), 1.0, 10.0, 1.0, 0.5, "three")],
        "failed": [],
    }
    assert [(line.row, line.wall, line.ratio) for line in table.lines(passes)] == [
        ("plain", 4.0, 2.0),
        ("pfl", 8.0, 4.0),
        ("pfl_2p", 2.0, 1.0),
    ]


@pytest.mark.parametrize(("early", "loss"), [(1.001, 0.5), (1.0, 0.55), (float("nan"), 0.5)])
def test_a_row_that_does_other_work_is_named(peers, early, loss):
    table = peers("table")
    same = [table.Measured((1.0,), 1.0, 1.0, 1.0, 0.5, "")]
    passes = {"plain": same, "pfl": same, "flower": [table.Measured((1.0,), 1.0, 1.0, early, loss, "")]}
    assert table.strangers(passes, ["plain", "pfl"]) == []
    (said,) = table.strangers(passes, ["plain", "pfl", "flower"])
    assert said.startswith("flower did other work")
