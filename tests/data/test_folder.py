"""A divided data set: everyone reads the same samples under the same numbers, and only those that are there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedkd.build import Setup, build
from fedkd.clients import ClientSamples
from fedkd.compose import compose
from fedkd.configuration import Settings
from fedkd.data import Folder
from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.trainers import Pupil
from fedkd_compression.keys import Key
from sims import evaluate
from sims.split_data import split
from tests.e2e.runs import DIGITS, SMALL, STUDENT, TEACHER, manifest_of, run, settings_of

KEY = Key.of(0, "data")
CLIENTS = ("clients=3", "rounds=2", "checkpoint_every=0")
WHOLE = (*SMALL, *STUDENT, *DIGITS, *CLIENTS, "partitioner.alpha=0.5")
DIVIDED = (*SMALL, *STUDENT, *CLIENTS, "data=folder", "partitioner=natural_id")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 digits of 3 clients, divided."""
    folder = tmp_path_factory.mktemp("digits") / "parts"
    split(settings_of(WHOLE), folder)
    return folder


@pytest.fixture
def all_of_it(parts: Path, tmp_path: Path) -> Path:
    """A copy of the whole, to be spoilt."""
    return shutil.copytree(parts / "all", tmp_path / "all")


def setup_of(path: Path, client: int | None) -> Setup:
    """As a node or the server of a deployment builds it, from values that were checked elsewhere."""
    number = "null" if client is None else client
    overrides = [*DIVIDED, *TEACHER, "teacher=local", f"data.path={path}", f"data.client_id={number}"]
    return build(Settings.of(compose(overrides)), lambda _: None, b"")


@pytest.mark.parametrize("task", [("task=supervised",), (*TEACHER, "teacher=pretrained"), (*TEACHER, "teacher=local")])
def test_the_whole_folder_is_the_data_set_that_was_divided(parts: Path, tmp_path: Path, task: tuple[str, ...]) -> None:
    from_source = run(tmp_path / "whole", [*WHOLE, *task])
    from_folder = run(tmp_path / "divided", [*DIVIDED, f"data.path={parts / 'all'}", *task])
    assert from_source.model_sha256 == from_folder.model_sha256
    whole, divided = (manifest_of(tmp_path / name) for name in ("whole", "divided"))
    assert whole["facts"]["samples"] == divided["facts"]["samples"]
    assert whole["label_counts"] == divided["label_counts"]


@pytest.mark.parametrize("client", range(3))
def test_a_node_trains_its_client_as_whoever_holds_everything(parts: Path, tmp_path: Path, client: int) -> None:
    setups = [setup_of(parts / "all", None), setup_of(parts / f"node-{client}", client)]
    assert [setups[1].settings.data.holds(number) for number in range(3)] == [number == client for number in range(3)]
    updates = [update_of(setup, client, tmp_path / str(place)) for place, setup in enumerate(setups)]
    assert torch.equal(*updates)


def update_of(setup: Setup, client: int, folder: Path) -> torch.Tensor:
    """What a client makes of the initial model, taught by its own teacher."""
    shop = setup.workshop("cpu", folder)
    assert shop.logits is not None
    part = torch.from_numpy(shop.parts[client])
    samples = ClientSamples(shop.train, part, shop.logits(client, None))
    [update] = shop.trainer.train(shop.learner, shop.solver, [Pupil(setup.model, samples, key(0, "train", 0, client))])
    return update.vector


def test_a_server_knows_sizes_and_labels_from_the_index(parts: Path) -> None:
    everything, server = setup_of(parts / "all", None), setup_of(parts / "server", None)
    assert server.label_counts == everything.label_counts
    assert [len(part) for part in server.parts] == [len(part) for part in everything.parts]
    assert server.facts()["partition_sha256"] == everything.facts()["partition_sha256"]
    assert torch.equal(server.data.test.x, everything.data.test.x)
    assert server.algorithm.uplink == everything.algorithm.uplink
    assert not server.data.train.x.any()


def test_samples_that_lie_elsewhere_take_no_memory(tmp_path: Path) -> None:
    index = {"name": "large", "shape": [1_000_000], "labels": [[100, 100], [100, 100]]}
    (tmp_path / "clients.json").write_text(json.dumps(index))
    np.savez(tmp_path / "test.npz", x=np.zeros((1, 1_000_000), np.float32), y=np.zeros(1, np.int64))
    before = resident_bytes()
    data = Folder(str(tmp_path), None).load(KEY)
    assert data.train.x.nbytes == 1_600_000_000
    assert resident_bytes() - before < 100_000_000


def resident_bytes() -> int:
    """Memory that this process really uses."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("overrides", "match"),
    [
        (("executor=local",), "Local trains every client here, but .* lacks their samples; choose executor=flower"),
        (("executor=flower", *TEACHER), "Pretrained answers for all .* on their nodes; choose teacher=local"),
        (("executor=flower", "partitioner=iid"), "Iid, but data=folder is divided; choose partitioner=natural_id"),
        (("executor=flower", "data.client_id=3"), r"client_id=3 is not in \[0, 3\)"),
        (("executor=flower", "data.client_id=1"), "client-1.npz is missing"),
    ],
)
def test_a_server_is_told_what_cannot_work(parts: Path, overrides: tuple[str, ...], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match) as caught:
        settings_of([*DIVIDED, f"data.path={parts / 'server'}", *overrides])
    assert "\n" not in str(caught.value)


def test_a_server_may_choose_teachers_that_learn_on_the_nodes(parts: Path) -> None:
    for teacher in ("local", "global_model"):
        settings_of([*DIVIDED, f"data.path={parts / 'server'}", "executor=flower", f"teacher={teacher}"])


def test_encoders_are_judged_by_public_samples_where_the_clients_are_elsewhere(parts: Path, tmp_path: Path) -> None:
    server = shutil.copytree(parts / "server", tmp_path / "server")
    overrides = [*SMALL, *CLIENTS, "data=folder", "partitioner=natural_id", f"data.path={server}", "executor=flower"]
    with pytest.raises(ConfigurationError, match=r"neither the clients' samples nor public ones, .*; copy public.npz"):
        settings_of([*overrides, "task=ressl"])
    shutil.copy(parts / "all" / "public.npz", server)
    settings_of([*overrides, "task=ressl"])


def test_features_are_evaluated_by_samples_that_are_here(parts: Path, tmp_path: Path) -> None:
    whole = setup_of(parts / "all", None)
    assert torch.equal(evaluate.labelled(tmp_path, whole).x, whole.data.train.x)
    node = shutil.copytree(parts / "node-1", tmp_path / "node")
    with pytest.raises(ConfigurationError, match="neither the clients' samples nor public ones .* public.npz"):
        evaluate.labelled(tmp_path, setup_of(node, 1))
    shutil.copy(parts / "all" / "public.npz", node)
    assert torch.equal(evaluate.labelled(tmp_path, setup_of(node, 1)).x, whole.data.public.x)


@pytest.mark.parametrize("task", [("ressl", "task.queue=anchors"), ("relation_exchange", "task.anchors=2")])
def test_anchors_need_public_samples(task: tuple[str, str], all_of_it: Path) -> None:
    overrides = [*SMALL, *CLIENTS, "data=folder", "partitioner=natural_id", f"data.path={all_of_it}"]
    chosen = [f"task={task[0]}", task[1]]
    settings_of([*overrides, *chosen])
    (all_of_it / "public.npz").unlink()
    with pytest.raises(
        ConfigurationError, match=r"needs 2 public samples, .* has none; copy public.npz of the divided"
    ):
        settings_of([*overrides, *chosen])


@pytest.mark.parametrize("name", ["clients.json", "test.npz", "client-1.npz"])
def test_a_missing_file_is_named(all_of_it: Path, name: str) -> None:
    (all_of_it / name).unlink()
    refused(all_of_it, f"{name} is missing")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[]", "is no index"),
        ("{", "is no index"),
        ('{"name": "a", "shape": [2], "labels": []}', "counts of the same 2 or more classes"),
        ('{"name": "a", "shape": [2], "labels": [[1, 2], [3]]}', "counts of the same 2 or more classes"),
        ('{"name": "a", "shape": [0], "labels": [[1, 2]]}', "needs a shape"),
        ('{"name": "a", "shape": [2], "labels": [[1, 2], [0, 0]]}', "a client without samples"),
        ('{"name": "a", "shape": [2], "labels": [[1, -1]]}', "a client without samples"),
    ],
)
def test_an_index_that_says_something_else_is_refused(all_of_it: Path, text: str, match: str) -> None:
    (all_of_it / "clients.json").write_text(text)
    refused(all_of_it, match)


X, Y = np.zeros((4, 1, 8, 8), np.float32), np.zeros(4, np.int64)


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"x": X}, "cannot be read"),
        ({"x": X, "y": np.array([{}] * 4, dtype=object)}, "cannot be read"),
        ({"x": X.reshape(4, 64), "y": Y}, r"has x float32\[4, 64\] .*shape \[1, 8, 8\]"),
        ({"x": X.astype(np.float64), "y": Y}, "has x float64"),
        ({"x": X, "y": Y[:3]}, r"and y int64\[3\]; store float32"),
        ({"x": X, "y": Y + 0.5}, "and y float64"),
        ({"x": X, "y": Y + 10}, r"a class outside \[0, 10\)"),
        ({"x": X, "y": Y - 1}, r"a class outside \[0, 10\)"),
        ({"x": X + np.nan, "y": Y}, "NaN or infinity"),
        ({"x": X, "y": Y}, r"has \[4, 0, 0, 0, 0, 0, 0, 0, 0, 0\] samples of the classes, but clients.json says"),
    ],
)
def test_a_client_file_that_does_not_fit_is_refused(all_of_it: Path, arrays: dict[str, Any], match: str) -> None:
    np.savez(all_of_it / "client-1.npz", **arrays)
    refused(all_of_it, match)


def refused(folder: Path, match: str) -> None:
    """One line says what is wrong."""
    with pytest.raises(ConfigurationError, match=match) as caught:
        Folder(str(folder), None).load(KEY)
    assert "\n" not in str(caught.value)


def test_data_without_classes_and_used_folders_are_refused(tmp_path: Path) -> None:
    convex = settings_of(["data=least_squares", "task=least_squares", "teacher=none", "clients=3"])
    with pytest.raises(ConfigurationError, match="real targets, not classes"):
        split(convex, tmp_path / "new")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    with pytest.raises(ConfigurationError, match="holds files already; choose a new folder"):
        split(convex, tmp_path / "used")
