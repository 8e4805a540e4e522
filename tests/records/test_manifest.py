from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fedkd.durable import replace_text
from fedkd.errors import ConfigurationError, StorageError
from fedkd.records import Manifest, Outcome, read_manifest
from fedkd.records.manifest import configuration_sha256
from fedkd.records.tables import resumption

OUTCOME = Outcome("interrupted", 2, 1.25, "a" * 64, "interrupted after round 2")


def test_at_the_start_it_says_that_the_run_is_running(tmp_path, make_info):
    Manifest().start(make_info(tmp_path))
    manifest = read_manifest(tmp_path)
    assert (manifest["reason"], manifest["ended"], manifest["rounds_done"]) == ("running", None, 0)
    assert manifest["label_counts"] == [[3, 1], [0, 4]]
    assert manifest["uncompressed_bytes"] == 40
    assert manifest["facts"]["data_sha256"] == "d" * 64


def test_a_key_has_a_line_and_a_list_has_one_too(tmp_path, make_info):
    Manifest().start(make_info(tmp_path))
    lines = (tmp_path / "manifest.json").read_text().splitlines()
    assert '  "label_counts": [[3, 1], [0, 4]],' in lines
    assert any(line.startswith('    "data_sha256": ') for line in lines)


def test_at_the_end_it_says_how_it_ended(tmp_path, make_info):
    recorder = Manifest()
    recorder.start(make_info(tmp_path))
    recorder.finish(OUTCOME)
    manifest = read_manifest(tmp_path)
    told = [manifest[name] for name in ("reason", "rounds_done", "seconds", "model_sha256", "message")]
    assert told == ["interrupted", 2, 1.25, "a" * 64, "interrupted after round 2"]
    assert manifest["started"] <= manifest["ended"]


def test_a_resumed_run_keeps_its_first_start_and_the_rounds_it_has(tmp_path, make_info):
    first = Manifest()
    first.start(make_info(tmp_path))
    first.finish(OUTCOME)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "started": "2001-01-01T00:00:00+00:00"}))
    again = make_info(tmp_path, rounds=5)
    again.configuration["note"] = "another"
    Manifest().start(replace(again, begins=2))
    manifest = read_manifest(tmp_path)
    assert (manifest["started"], manifest["rounds_done"]) == ("2001-01-01T00:00:00+00:00", 2)
    [entry] = manifest["resumed"]
    assert (manifest["reason"], entry["round"], entry["changed"]) == ("running", 2, {"note": ["<b>&", "another"]})
    assert resumption({**entry, "at": "now"}) == "now from round 3: note <b>& -> another"
    assert resumption({**entry, "at": "now", "changed": {}}) == "now from round 3"


def test_the_configuration_is_named_by_its_hash_whatever_the_order_of_its_keys():
    expected = hashlib.sha256(b'{"a":1,"b":[2]}').hexdigest()
    assert configuration_sha256({"b": [2], "a": 1}) == configuration_sha256({"a": 1, "b": [2]}) == expected


def test_config_yaml_holds_the_resolved_configuration(tmp_path, make_info):
    info = make_info(tmp_path)
    Manifest().start(info)
    assert OmegaConf.to_container(OmegaConf.load(tmp_path / "config.yaml")) == info.configuration


def test_versions_name_python_and_the_packages_that_are_there(tmp_path, make_info):
    Manifest().start(make_info(tmp_path))
    environment = read_manifest(tmp_path)["environment"]
    assert environment["python"].startswith("3.")
    assert {"torch", "numpy"} <= set(environment["packages"])


@pytest.mark.parametrize("step", ["flush", "rename"])
def test_a_crash_while_it_is_written_leaves_the_old_one_whole(tmp_path, make_info, monkeypatch, step):
    recorder = Manifest()
    recorder.start(make_info(tmp_path))
    before = (tmp_path / "manifest.json").read_bytes()

    def crash(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(*((os, "fsync") if step == "flush" else (Path, "replace")), crash)
    with pytest.raises(StorageError, match=r"manifest\.json: cannot be written \(no space left\); see to the disk$"):
        recorder.finish(OUTCOME)
    assert (tmp_path / "manifest.json").read_bytes() == before
    assert not (tmp_path / "manifest.json.tmp").exists()


def test_the_file_is_on_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    order = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append((tmp_path / "file").exists()), fsync(handle)))
    replace_text(tmp_path / "file", "text")
    assert order == [False, True]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"holds no manifest\.json; name the folder of a run"):
        read_manifest(tmp_path)
