"""Every wrong value of every leaf of every choice is answered in one line, which names it and a way out."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedkd.compose import compose, configurations
from fedkd.configuration import Settings, check
from fedkd.errors import ConfigurationError
from tests.configuration.bad_values import Case, Leaf, cases, chosen, leaves

FIX = re.compile(r"; (choose|change|name|add|give|set|check|install|mend) |did you mean|; known are ")
HUGE = (10**12, 1e30, [10**12])
ZERO = (0, 0.0)
ANY: tuple[tuple[str, tuple[object, ...], str], ...] = (
    ("Settings.seed", (*ZERO, *HUGE), "any number starts a generator"),
    ("Settings.rounds", HUGE, "a run may be interrupted whenever its user likes"),
    ("Settings.*_every", HUGE, "never before the last round"),
    ("Settings.checkpoint_every", ZERO, "writes none"),
    ("Settings.reduce_from", HUGE, "never"),
    ("Settings.plugins", ([],), "none"),
    ("Settings.changed", ([],), "nothing"),
    ("Row.name", ("",), "a label in reports"),
    ("admission.Admission.norm_cap", HUGE, "a bound that nothing reaches"),
    ("data.*.samples", ZERO, "all of them"),
    ("data.*.test", ZERO, "all of them"),
    ("data.*.public", ZERO, "no teacher needs them"),
    ("data.Hierarchical.public_per_class", ZERO, "no teacher needs them"),
    ("data.Npz.public", HUGE, "how many samples a file has is known when it is read"),
    ("data.*.test_fraction", ZERO, "no test split"),
    ("data.Folder.client_id", ZERO, "the first client"),
    ("data.*.noise", (*ZERO, *HUGE), "a scale of what is generated"),
    ("data.*.heterogeneity", (*ZERO, *HUGE), "a scale of what is generated; 0 makes clients alike"),
    ("data.Hierarchical.group_spread", (*ZERO, *HUGE), "a scale of what is generated"),
    ("data.Hierarchical.class_spread", HUGE, "a scale of what is generated"),
    ("data.Dirichlet.alpha", HUGE, "every client has the same mixture"),
    ("data.Pathological.num_classes_per_partition", HUGE, "how many classes there are is known with the data"),
    ("models.Mlp.hidden", ([],), "no hidden layer: softmax regression"),
    ("models.*Cnn.hidden", ZERO, "no hidden layer"),
    ("models.PlainCnn.padding", ZERO, "none"),
    ("tasks.*.epochs", HUGE, "a run may be interrupted whenever its user likes"),
    ("tasks.*.batch_size", HUGE, "all samples at once"),
    ("tasks.*.learning_rate", HUGE, "a divergence is said when it happens: it depends on the data"),
    ("tasks.ReSSL.tau_*", HUGE, "the uniform distribution is its limit"),
    ("tasks.ReSSL.momentum", ZERO, "the teacher is the student of the moment"),
    ("tasks.ReSSL.mixing", (*ZERO, *HUGE), "off; always where the client ended"),
    ("ressl.Views.[!c]*", ZERO, "off"),
    ("ressl.Views.contrast", ZERO, "off"),
    ("probes.Probes.shots", ([],), "no few-shot prototypes"),
    ("probes.Probes.labels", ZERO, "all of them"),
    ("ressl.Views.brightness", HUGE, "a scale of what is generated"),
    ("tasks.RelationExchange.steps", (*ZERO, *HUGE), "clients are alone; a run may be interrupted"),
    ("tasks.RelationExchange.tau_*", HUGE, "the uniform distribution is its limit"),
    ("tasks.PastModels.models", HUGE, "all that there have been"),
    ("tasks.Distillation.tau_*", HUGE, "the uniform distribution is its limit"),
    ("losses.*.tau", HUGE, "the uniform distribution is its limit"),
    ("losses.Correlation.int*", (*ZERO, *HUGE), "the weight of a term"),
    ("losses.Decoupled.*a", (*ZERO, *HUGE), "the weight of a term"),
    ("losses.Normalised.gamma", (*ZERO, *HUGE), "the weight of a term"),
    ("tasks.*.*_weight", ZERO, "a term is off"),
    ("tasks.Matching.*_weight", HUGE, "the weight of a term"),
    ("tasks.*.label_smoothing", ZERO, "off"),
    ("Schedule.first", ZERO, "a term that is switched on later"),
    ("Schedule.rounds", HUGE, "the first value throughout"),
    ("tasks.*.l2", (*ZERO, *HUGE), "the weight of a term"),
    ("trainers.*.epochs", HUGE, "a run may be interrupted whenever its user likes"),
    ("trainers.*.batch*", (*ZERO, *HUGE), "all samples at once; no limit"),
    ("trainers.Batched.clients", HUGE, "all of a cohort"),
    ("trainers.*.learning_rate", HUGE, "a divergence is said when it happens: it depends on the data"),
    ("trainers.*.weight_decay", ZERO, "off"),
    ("trainers.*[!r].weight_decay", HUGE, "the weight of a term; STAR's is a share"),
    ("trainers.*.proximal", (*ZERO, *HUGE), "the weight of a term"),
    ("trainers.Sgd.momentum", ZERO, "off"),
    ("trainers.Adam.beta?", ZERO, "off"),
    ("trainers.Adam.epsilon", HUGE, "steps as of gradient descent"),
    ("trainers.Star.step_size", HUGE, "a divergence is said when it happens: it depends on the data"),
    ("algorithms.Star.unit", HUGE, "a scale of what is received"),
    ("algorithms.*.step_size", HUGE, "a divergence is said when it happens: it depends on the data"),
    ("algorithms.*.beta?", ZERO, "off"),
    ("algorithms.*.epsilon", HUGE, "steps as of gradient descent"),
    ("algorithms.Momentum.momentum", ZERO, "off"),
    ("fedkd_compression.LowRank.*", HUGE, "a row is sent as it is where factors are no shorter"),
    ("fedkd_compression.Bucketed.size", HUGE, "one bucket"),
    ("executors.*.workers*", HUGE, "never more than the cohort"),
    ("choice.Flower.client_?pus", HUGE, "held against the machine when the simulation starts"),
    ("choice.Flower.client_gpus", ZERO, "none"),
    ("clocks.After.seconds", HUGE, "seconds of a simulated clock"),
    ("clocks.SkiRental.price", HUGE, "seconds of a simulated clock"),
    ("clocks.*.seconds_a_sample", (*ZERO, *HUGE), "seconds of a simulated clock"),
    ("clocks.*.mbit_*", HUGE, "a link that takes no time"),
    ("clocks.Lognormal.sigma_*", ZERO, "clients are alike"),
)
"""Numbers (and empty lists) that look wrong and are right, with the reason."""

COMPOSED = ("relation_exchange",)
"""Choices that have another choice as a part, and more to say against it: they come last."""
GROUPS = sorted({path.parent.name for path in configurations().glob("*/*.yaml")} - {"experiment"})
SUPERVISED = (("task", "supervised"),)
FOREIGN = (("task", "foreign"), ("task._target_", "tests.tasks.foreign_code.Blobs"))
NEEDS: dict[str, tuple[tuple[str, Any], ...]] = {
    "admission/clip": (("algorithm.estimator", "PP1"),),
    "data/digits": (*SUPERVISED, ("partitioner", "iid")),
    "data/fashion": (
        *SUPERVISED,
        ("partitioner", "iid"),
        ("data.path", "{files}"),
        ("data.samples", 60),
        ("data.public", 20),
    ),
    "data/folder": (
        *SUPERVISED,
        ("partitioner", "natural_id"),
        ("executor", "flower_in_process"),
        ("data.path", "{files}"),
    ),
    "data/foreign": FOREIGN,
    "data/hierarchical": SUPERVISED,
    "data/least_squares": (("task", "least_squares"),),
    "data/libsvm": (("task", "logistic"), ("partitioner", "iid"), ("data.path", "{files}/data.svm")),
    "data/logistic": (("task", "logistic"),),
    "data/npz": (*SUPERVISED, ("data.path", "{files}/data.npz")),
    "deadline/after": (("deadline.seconds", 3.0),),
    "deadline/quantile": (("admission", "drop"),),
    "deadline/ski_rental": (("deadline.price", 3.0), ("admission", "drop")),
    "latency/trace": (("latency.path", "{files}/trace.csv"),),
    "model/none": (("task", "least_squares"),),
    "partitioner/natural_id": (("task", "logistic"),),
    "task/distillation": (("task.schedules", {"kd_weight": {"shape": "linear", "first": 0.0, "rounds": 3}}),),
    "task/foreign": (("task._target_", "tests.tasks.foreign_code.Blobs"),),
    "task/ressl": (("task.schedules", {"momentum": {"shape": "cosine", "first": 0.9, "rounds": 3}}),),
    "teacher/co_trained": (("task", "fedkd"),),
    "teacher/none": SUPERVISED,
    "trainer/foreign": FOREIGN,
}
AREAS = {"all": tuple(compose([])), "algorithm": ("algorithm", "uplink", "downlink")}
"""The keys that a group is about, where they are not its own."""
BIASED = ("dead_zone", "eden", "energy_svd", "float16", "low_rank", "sign", "top_k", "top_k_quantised")
NEEDS |= {f"{side}/{name}": ((f"{side}.memory.rate", 1.0),) for side in ("uplink", "downlink") for name in BIASED}
"""What a choice needs beside it."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little data of every format."""
    folder = tmp_path_factory.mktemp("files")
    for part, count in (("train", 80), ("t10k", 20)):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, count, 28, 28) + bytes(784 * count))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(
            struct.pack(">2i", 2049, count) + bytes(range(10)) * (count // 10)
        )
    (folder / "data.svm").write_text("1 1:0.3\n-1 1:0.2\n" * 30)
    np.savez(folder / "data.npz", x=np.zeros((60, 6), np.float32), y=np.arange(60) % 3)
    (folder / "clients.json").write_text(json.dumps({"name": "x", "shape": [1, 28, 28], "labels": [[5, 5]] * 20}))
    for name in ("test", *(f"client-{client}" for client in range(20))):
        (folder / f"{name}.npz").touch()
    (folder / "trace.csv").write_text(
        "client_id,round,seconds\n" + "".join(f"{client},0,1.0\n" for client in range(20))
    )
    return folder


@pytest.fixture(scope="module")
def main_job() -> dict[str, Any]:
    return compose(["plugins=[tests]"])


def configuration(main_job: dict[str, Any], choice: str, files: Path) -> dict[str, Any]:
    """The main job with a choice, and with what it needs."""
    group, name = choice.split("/")
    values = main_job
    needs = NEEDS.get(choice, ())
    for key, value in (*(need for need in needs if "." not in need[0]), (group, name)):
        values = chosen(values, key, value)
    for key, value in (need for need in needs if "." in need[0]):
        filled = value.format(files=files) if isinstance(value, str) else value
        case = Case(Leaf(tuple(key.split(".")), None, "", None), filled, (), ())
        values = case.of(values)
    if isinstance(values["data"], dict) and "code" in values["data"]:
        values = {**values, "data": {**values["data"], "code": values["task"]}}
    return values


def wanted(values: dict[str, Any], group: str, known: set[str]) -> Iterator[Case]:
    """The bad values of a choice: all of a leaf's the first time that it is seen, then misspelt keys and classes."""
    for leaf in leaves(Settings, values):
        if leaf.keys[0] not in AREAS.get(group, (group,)):
            continue
        is_new = leaf.owner not in known
        known.add(leaf.owner)
        yield from (case for case in cases(leaf) if is_new or case.is_target)


def fault(values: dict[str, Any], case: Case) -> str | None:
    """What is wrong with the answer to a bad value; None where all is as it should be."""
    named = f"{case.leaf.path}={str(case.value)[:80]} ({case.leaf.owner})"
    allowed = [
        reason for pattern, right, reason in ANY if fnmatchcase(case.leaf.owner, pattern) and case.value in right
    ]
    try:
        check(Settings.of(case.of(values)))
    except ConfigurationError as error:
        message = str(error)
    else:
        return None if case.probe and allowed else f"{named}: was accepted"
    if case.probe and allowed:
        return f"{named}: was refused, although {allowed[0]}: {message}"
    missing = [
        what
        for what, is_there in {
            "one line": "\n" not in message and len(message) < 1000,
            "the path": any(name in message for name in case.names),
            "the value": any(form in message for form in case.shown),
            "a fix": FIX.search(message) is not None,
        }.items()
        if not is_there
    ]
    return f"{named}: answered without {', '.join(missing)}: {message}" if missing else None


def test_every_leaf_of_the_main_job(main_job: dict[str, Any]) -> None:
    bad = list(wanted(main_job, "all", set()))
    assert len(bad) >= 300
    assert not [said for case in bad if (said := fault(main_job, case)) is not None]


@pytest.mark.parametrize("group", GROUPS)
def test_every_leaf_of_every_choice(group: str, main_job: dict[str, Any], files: Path) -> None:
    known = {leaf.owner for leaf in leaves(Settings, main_job)}
    faults = []
    for path in sorted((configurations() / group).glob("*.yaml"), key=lambda path: (path.stem in COMPOSED, path.stem)):
        values = configuration(main_job, f"{group}/{path.stem}", files)
        check(Settings.of(values))
        faults += [f"{path.stem}: {said}" for case in wanted(values, group, known) if (said := fault(values, case))]
    assert not faults


def test_the_reasons_are_of_leaves_that_there_are(main_job: dict[str, Any], files: Path) -> None:
    owners = {leaf.owner for leaf in leaves(Settings, main_job)}
    for path in configurations().glob("*/*.yaml"):
        if path.parent.name in GROUPS:
            values = configuration(main_job, f"{path.parent.name}/{path.stem}", files)
            owners |= {leaf.owner for leaf in leaves(Settings, values)}
    assert [pattern for pattern, _, _ in ANY if not any(fnmatchcase(owner, pattern) for owner in owners)] == []


@pytest.mark.parametrize("choice", ["task=logistic", "algorithm=ef21", "uplink=qsgd_bucketed", "task=fedkd"])
def test_a_choice_is_what_hydra_makes_of_it(choice: str, main_job: dict[str, Any]) -> None:
    assert chosen(main_job, *choice.split("=")) == compose([choice, "plugins=[tests]"])
