"""The study of ReSSL: every run is a configuration that checks, and its tables are what its runs say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from fedkd.build import build
from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.records import History
from fedkd.tasks import ReSSL
from fedkd.tasks.ressl.learner import RelationalLearner
from sims import options
from sims.evaluate import evaluate
from sims.figures import ressl
from sims.ressl import grounds, parts
from sims.ressl.few_labels import RIVALS, labelled_samples, trained, viewed
from sims.ressl.rows import word

pytestmark = pytest.mark.xdist_group("ressl")

SETTINGS = {
    "ablations": ((*grounds.DIGITS, *grounds.CENTRAL, *grounds.SGD), grounds.ABLATIONS),
    "one client": ((*grounds.DIGITS, *grounds.CENTRAL), grounds.WHOLE),
    "federated": ((*grounds.DIGITS, *grounds.SKEWED), grounds.FEDERATED),
    "links": ((*grounds.DIGITS, *grounds.SKEWED, *grounds.BEST), grounds.LINKS),
    "fashion": (grounds.FASHION, grounds.DIVISIONS),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All parts; of the longer ones two settings, and rivals that hardly learn."""
    found = tmp_path_factory.mktemp("ressl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "ABLATIONS", _first_two(grounds.ABLATIONS))
        patch.setattr(parts, "FEDERATED", _first_two(grounds.FEDERATED))
        patch.setattr(parts, "RIVALS", {name: replace(rival, epochs=1) for name, rival in RIVALS.items()})
        patch.setattr(parts, "FINE_TUNED", replace(parts.FINE_TUNED, epochs=1))
        ressl.main(["--quick", f"output={found}"])
    return found


def _first_two(variants: dict[str, grounds.Overrides]) -> dict[str, grounds.Overrides]:
    return dict(list(variants.items())[:2])


def _encoder(folder: Path) -> tuple[History, Settings]:
    run = History.read(folder / "fashion" / f"{word(next(iter(grounds.DIVISIONS)))}-0")
    return run, Settings.of(run.manifest["configuration"])


@pytest.mark.parametrize("part", SETTINGS)
def test_every_setting_is_a_configuration_that_checks_and_differs_from_the_others(part: str) -> None:
    shared, variants = SETTINGS[part]
    found = [compose([*grounds.COMMON, *shared, *changes]) for changes in variants.values()]
    for values in found:
        check(Settings.of(values))
    assert len({json.dumps(values, sort_keys=True) for values in found}) == len(found)


def test_numbers_and_bytes_are_those_of_the_runs(folder: Path) -> None:
    rows = json.loads((folder / "ressl.json").read_text())["links"]["rows"]
    folders = [f"federated/{word(grounds.IDENTITY)}", *(f"links/{word(name)}" for name in grounds.LINKS)]
    for row, name in zip(rows, folders, strict=True):
        run = History.read(folder / f"{name}-0")
        assert {metric: [value] for metric, value in run.reports[-1].metrics.items()}.items() <= row.items()
        assert row["megabytes_up"] == [sum(report.bytes_up for report in run.reports) / 1e6]
        assert row["alarms"] == [sum(report.alarm != "" for report in run.reports)]
    assert rows[1]["megabytes_up"] < rows[0]["megabytes_up"]


def test_one_client_is_the_run_of_the_ablations_and_the_floor_is_its_first_network(folder: Path) -> None:
    facts = json.loads((folder / "ressl.json").read_text())
    one, published = facts["federated"]["rows"][0], facts["ablations"]["rows"][0]
    assert one["name"] == "one client, as published"
    assert one["model_sha256"] == published["model_sha256"]
    run = History.read(folder / "ablations" / "as_published-0")
    task = Settings.of(run.manifest["configuration"]).task
    assert isinstance(task, ReSSL)
    for features, scores in evaluate(run.folder, task.probes).rows.items():
        if features != "this run":
            said = {name: [score.mean] for name, score in scores.items()}
            assert facts["ablations"]["floors"][features] == said


def test_rivals_learn_from_the_labels_of_the_probe(folder: Path) -> None:
    """The probe, made anew from their samples, has the accuracy that the run said."""
    run, settings = _encoder(folder)
    assert isinstance(settings.task, ReSSL)
    setup = build(replace(settings, init=str(run.folder)), lambda _: None)
    assert isinstance(setup.learner, RelationalLearner)
    data = setup.data
    drawn = [taken for taken, _ in labelled_samples(settings, settings.task, data)]
    assert [len(taken) for taken in drawn] == [settings.task.probes.labels * data.classes] * settings.task.probes.draws
    whole, test, *known = (setup.learner.features(setup.model, split) for split in (data.train, data.test, *drawn))
    scale = StandardScaler().fit(whole.x)
    layers = [LogisticRegression(max_iter=500).fit(scale.transform(one.x), one.y) for one in known]
    scores = [layer.score(scale.transform(test.x), test.y) for layer in layers]
    assert sum(scores) / len(scores) == pytest.approx(run.reports[-1].metrics["accuracy_probe"])


def test_views_take_the_samples_place_and_keep_their_labels(folder: Path) -> None:
    _, settings = _encoder(folder)
    assert isinstance(settings.task, ReSSL)
    data = settings.data.load(key(0, "data"))
    assert viewed(data.train, settings.task, 0, key(0, "views")) is data.train
    shown = viewed(data.train, settings.task, 3, key(0, "views"))
    assert shown.y.tolist() == data.train.y.tolist() * 3
    assert not shown.x[: len(data.train)].equal(shown.x[len(data.train) : 2 * len(data.train)])


def test_fine_tuning_begins_at_the_encoder(folder: Path) -> None:
    """After the same batches it is another network than the one from random values."""
    run, _ = _encoder(folder)
    rival = replace(RIVALS["trained on the labels alone"], epochs=1)
    assert trained(run, rival) != trained(run, replace(rival, starts_there=True))


def test_what_is_finished_is_not_run_again(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.glob("[fl]*/*/manifest.json")}
    assert len(before) == 6
    ressl.main(["--quick", "parts=links", f"output={folder}"])
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_page_and_picture_are_written(folder: Path) -> None:
    assert "rounds with alarm" in (folder / "ressl.html").read_text()
    assert (folder / "ressl.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("parts=digits", "parts=digits: is unknown; choose ablations, federated, links, fashion"),
        ("seeds=", "number of seeds=0: is below 1"),
        ("seeds=-1", "seeds=-1: is below 0"),
        ("size=large", "size=large: is unknown; choose full, tiny"),
    ],
)
def test_wrong_options_are_named(given: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        options.read(ressl.Asked, [given], ressl.QUICK)
