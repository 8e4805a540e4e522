"""Features of a run against those of its first network and its samples: which runs, what is said, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fedkd.compose import compose
from fedkd.errors import ConfigurationError
from fedkd.probes import Probes, Score
from fedkd.records import Console, read_reports
from sims.evaluate import cell, evaluate, main
from sims.studies import Study

PROBES = Probes(shots=(1,), episodes=20, neighbours=5, labels=5, draws=3, at_most=150)
LEARNED = ("task=supervised", "teacher=none", "model=cnn", "rounds=4", "solver.learning_rate=0.1")
RUNS = {
    "supervised": LEARNED,
    "running_statistics": (*LEARNED, "model.norm=batch"),
    "taught": ("task=distillation", "teacher.epochs=1", "rounds=1"),
    "mutual": ("task=distillation", "teacher=co_trained", "algorithm=diana", "rounds=1"),
}


@pytest.fixture
def run(overrides: tuple[str, ...], tmp_path: Path):
    """The folder of a run that was just made."""

    def run(*changes: str) -> Path:
        given = [item for item in overrides if not item.startswith("teacher.")]
        given += ["uplink=identity", "downlink=identity", "checkpoint_every=0", *changes]
        return Study(tmp_path, Console("never", quiet=True)).run("run", compose(given)).folder

    return run


@pytest.mark.parametrize("kind", RUNS)
def test_runs_of_a_network_are_evaluated(run, kind: str) -> None:
    found = evaluate(run(*RUNS[kind]), PROBES)
    assert list(found.rows) == ["this run", "random initialisation", "raw samples"]
    assert {tuple(scores) for scores in found.rows.values()} == {("accuracy_1_shot", "accuracy_knn", "accuracy_probe")}
    assert found.reference == 150
    trained, first, _ = (scores["accuracy_1_shot"].mean for scores in found.rows.values())
    assert trained > first + 0.1 if kind in ("supervised", "running_statistics") else trained != first


def test_the_probes_of_a_run_without_labels_are_what_it_said_itself(run) -> None:
    folder = run("task=ressl", "rounds=1", "task.queue_size=32", "task.probes.episodes=5", "task.probes.at_most=150")
    found = evaluate(folder, Probes((1, 5), 5, 20, 10, 5, 150)).rows["this run"]
    said = read_reports(folder)[-1].metrics
    assert {name: score.mean for name, score in found.items()} == pytest.approx(said)


def test_a_run_that_took_its_model_from_another_is_compared_with_random_values_all_the_same(run, tmp_path) -> None:
    folder = run(*LEARNED)
    (tmp_path / "first").mkdir()
    first = folder.rename(tmp_path / "first" / "run")
    found = evaluate(first, PROBES)
    second = evaluate(run(*LEARNED[:3], "rounds=1", f"init={first}"), PROBES)
    assert second.rows["random initialisation"] == found.rows["random initialisation"]
    assert second.rows["this run"]["accuracy_1_shot"].mean > found.rows["random initialisation"]["accuracy_1_shot"].mean


def test_the_table_is_printed_and_kept(run, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run("task=supervised", "teacher=none", "rounds=1")
    main([str(folder), "shots=[1,2]", "episodes=5", "at_most=150", "draws=2", "labels=3"])
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    kept = json.loads((folder / "evaluation.json").read_text())
    assert kept["probes"]["shots"] == [1, 2]
    assert list(kept["accuracy"]) == ["this run", "random initialisation", "raw samples"]
    [printed] = [[word.strip() for word in line if word.strip()] for line in lines if "raw samples" in " ".join(line)]
    scores = kept["accuracy"]["raw samples"].values()
    assert printed == ["raw samples", *(cell(Score(score["mean"], score["spread"])) for score in scores)]


def test_samples_are_the_clients_own_and_serve_as_they_are(run) -> None:
    """One neighbour among all of a client's samples: the raw row says what a plain loop says."""
    folder = run("task=supervised", "teacher=none", "rounds=1")
    found = evaluate(folder, Probes((), 1, 1, 0, 1, 10_000))
    from fedkd.configuration import Settings
    from fedkd.keys import key

    data = Settings.of(json.loads((folder / "manifest.json").read_text())["configuration"]).data.load(key(0, "data"))
    known, asked = (split.x.flatten(1).double().numpy() for split in (data.train, data.test))
    known, asked = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (known, asked))
    nearest = data.train.y.numpy()[(asked @ known.T).argmax(axis=1)]
    assert (found.reference, found.test) == (len(data.train), len(data.test))
    expected = float((nearest == data.test.y.numpy()).mean())
    assert found.rows["raw samples"]["accuracy_knn"].mean == pytest.approx(expected)


def test_a_run_that_diverged_has_no_accuracy(run, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run("task=supervised", "teacher=none", "rounds=1")
    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensor * torch.nan for name, tensor in tensors.items()}, folder / "model.safetensors")
    main([str(folder), "--quick", "at_most=150"])
    assert "this run" in capsys.readouterr().out
    kept = json.loads((folder / "evaluation.json").read_text())["accuracy"]
    assert kept["this run"]["accuracy_knn"] == {"mean": None, "spread": None}
    assert kept["raw samples"]["accuracy_knn"]["mean"] > 0.5


def test_a_run_without_a_network_is_refused(tmp_path: Path) -> None:
    values = compose(
        ["data=least_squares", "task=least_squares", "teacher=none", "model=none", "rounds=1", "executor=local"]
    )
    folder = Study(tmp_path, Console("never", quiet=True)).run("run", {**values, "checkpoint_every": 0}).folder
    with pytest.raises(ConfigurationError, match="task LeastSquares does not train one network"):
        evaluate(folder, PROBES)


def test_files_that_are_not_the_runs_are_refused(run) -> None:
    folder = run("task=supervised", "teacher=none", "rounds=1")
    model, manifest = folder / "model.safetensors", folder / "manifest.json"
    tensors, kept = load_file(model), manifest.read_text()
    name = next(iter(tensors))
    save_file({**tensors, name: torch.zeros(3)}, model)
    with pytest.raises(ConfigurationError, match=rf"{name} has shape \[3\], the configured network's"):
        evaluate(folder, PROBES)
    model.write_bytes(b"nothing")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        evaluate(folder, PROBES)
    model.unlink()
    with pytest.raises(ConfigurationError, match=r"holds no model\.safetensors"):
        evaluate(folder, PROBES)
    save_file(tensors, model)
    content = json.loads(kept)
    content["facts"]["data_sha256"] = "0" * 64
    manifest.write_text(json.dumps(content))
    with pytest.raises(ConfigurationError, match=r"the run's 000000000000\.\.\."):
        evaluate(folder, PROBES)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "0 runs are named"),
        (["runs/a", "runs/b"], "2 runs are named"),
        (["nowhere"], r"holds no manifest\.json"),
        (["nowhere", "shot=1"], "did you mean shots="),
        (["nowhere", "shots=[0]"], "Probes: shots=.0. is outside"),
    ],
)
def test_a_wrong_command_is_one_line(arguments: list[str], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        main(arguments)
    assert "\n" not in str(caught.value)
