"""The template of a user's own compressor, from its folder to a finished run: installed, found by name, counted."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fedkd.records import read_reports
from fedkd_compression import Key, compress
from fedkd_compression.plugins import compressor
from tests.e2e.runs import ROOT, SUPERVISED, command, manifest_of, rounds_of

pytestmark = [pytest.mark.e2e, pytest.mark.exhaustive]

TEMPLATE = ROOT / "docs" / "examples" / "my_compressor"
CLIENTS, DIM, BLOCK = 4, 610, 64
BLOCKS = -(-DIM // BLOCK)
RUN = (*SUPERVISED, "algorithm=diana", "uplink=identity", f"uplink.operator.block={BLOCK}", "uplink.memory.rate=1")
BY_NAME = "uplink.operator._target_=my_sign"
BY_PATH = "uplink.operator._target_=my_compressor.ScaledSign"
WRONG = {
    "misspelt": ([BY_NAME.replace("sign", "sgin")], "_target_=my_sgin: no installed compressor; did you mean my_sign?"),
    "no such choice": (["uplink=my_sgin"], "uplink=my_sgin: unknown choice; did you mean my_sign?"),
    "nowhere": (["uplink.operator._target_=zzz"], "_target_=zzz: no installed compressor; known are "),
    "not let in": ([BY_PATH], "_target_=my_compressor.ScaledSign: package 'my_compressor' is not among"),
    "no such class": (["plugins=[my_compressor]", f"{BY_PATH}s"], "not found (module 'my_compressor' has no attribute"),
    "its own bound": ([BY_NAME, "uplink.operator.block=0"], "block=0 is below 1; choose block >= 1"),
    "its rate": ([BY_NAME, "uplink.memory.rate=auto"], "ScaledSign is not; choose rate = 1"),
}
RECEIVER = """
import base64, hashlib, json, sys
from fedkd_compression import Key, decompress
from fedkd_compression.plugins import compressor
for line in sys.stdin:
    message = json.loads(line)
    operator = compressor(message["name"])(**message["fields"])
    frame = base64.b64decode(message["frame"])
    rows = decompress(operator, [frame], Key.of(5, "plugin"), message["dim"])
    print(str(rows.dtype), hashlib.sha256(rows.numpy().tobytes()).hexdigest())
assert "fedkd" not in sys.modules
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a user copies it."""
    caches = shutil.ignore_patterns("__pycache__", ".*")
    return Path(shutil.copytree(TEMPLATE, tmp_path_factory.mktemp("plugin") / "copy", ignore=caches))


@pytest.fixture(scope="module")
def site(copy: Path) -> Path:
    """A folder into which the template is installed, without a network."""
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    folder = copy.parent / "site"
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", str(folder), str(copy)], check=True)
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same in this process, forgotten at the end."""
    monkeypatch.syspath_prepend(site)
    yield site
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_compressor"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def done(site: Path) -> Path:
    """A run by the operator's name, in a process of its own."""
    arguments = [*RUN, BY_NAME, f"folder={site.parent}", "name=by_name"]
    ended = python(site, "sims/run.py", *arguments)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    return site.parent / "by_name"


def python(site: Path, *arguments: str, folder: Path = ROOT, text: str = "") -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, (site, ROOT, ROOT / "compression")))
    command_line, environment = [sys.executable, *arguments], {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        command_line, input=text, capture_output=True, text=True, env=environment, cwd=folder, check=False
    )


def test_the_run_names_the_operator_and_counts_its_bytes(done: Path) -> None:
    manifest, reports = manifest_of(done), read_reports(done)
    assert (manifest["reason"], manifest["rounds_done"]) == ("finished", 2)
    assert manifest["environment"]["packages"]["my-compressor"] == "0.1.0"
    assert manifest["configuration"]["uplink"]["operator"] == {"_target_": "my_sign", "block": BLOCK}
    for report in reports:
        assert report.bytes_side == CLIENTS * BLOCKS * 4, "a float32 mean a block and client; nothing of it goes down"
        up = report.bytes_body - 4 * DIM
        assert 0.9 * CLIENTS * DIM / 8 < up < 1.4 * CLIENTS * DIM / 8, "about a bit a coordinate"
        assert report.bytes_header + report.bytes_side + report.bytes_body == report.bytes_total


def test_the_dotted_path_gives_the_same_run(done: Path, installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [*RUN, "plugins=[my_compressor]", BY_PATH, f"folder={done.parent}", "name=by_path"]
    assert command(monkeypatch, *arguments) == 0
    other = done.parent / "by_path"
    assert rounds_of(other) == rounds_of(done)
    assert manifest_of(other)["model_sha256"] == manifest_of(done)["model_sha256"]
    assert manifest_of(other)["configuration"]["uplink"]["operator"]["_target_"] == "my_compressor.ScaledSign"


def test_worker_processes_give_the_same_run(done: Path, installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    several = ["executor=processes", "executor.workers=2"]
    assert command(monkeypatch, *RUN, BY_NAME, *several, f"folder={done.parent}", "name=workers") == 0
    other = done.parent / "workers"
    assert len(manifest_of(other)["facts"]["workers"]) == 2
    assert rounds_of(other) == rounds_of(done)
    assert manifest_of(other)["model_sha256"] == manifest_of(done)["model_sha256"]


def test_the_choice_gives_the_same_run(done: Path, installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = f"uplink.operator.block={BLOCK},{2 * BLOCK}"
    swept = ["uplink=my_sign", blocks, "uplink.memory.rate=1", "name='choice-${uplink.operator.block}'"]
    assert command(monkeypatch, *SUPERVISED, "algorithm=diana", *swept, f"folder={done.parent}", "-m") == 0
    same, other = (manifest_of(done.parent / f"choice-{block}") for block in (BLOCK, 2 * BLOCK))
    assert same["configuration"]["uplink"]["operator"] == {"_target_": "my_sign", "block": BLOCK}
    assert same["model_sha256"] == manifest_of(done)["model_sha256"] != other["model_sha256"]


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_line(
    case: str, installed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides, answer = WRONG[case]
    assert command(monkeypatch, *RUN, *overrides) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("configuration: ")
    assert answer in said.err


def test_a_mistake_is_one_line_of_a_process(site: Path) -> None:
    ended = python(site, "sims/run.py", *RUN, *WRONG["misspelt"][0])
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert WRONG["misspelt"][1] in ended.stderr


def test_the_tests_of_the_template_pass(copy: Path, site: Path) -> None:
    ended = python(site, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", folder=copy)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout


def test_a_receiver_in_another_process_decodes_the_same_bits(installed: Path) -> None:
    lines, expected = [], []
    for dim in (1, BLOCK - 1, BLOCK, BLOCK + 1, 1000):
        for dtype in (torch.float32, torch.float64):
            rows = torch.randn(1, dim, generator=torch.Generator().manual_seed(dim), dtype=dtype) ** 3
            frames, received = compress(compressor("my_sign")(block=BLOCK), rows, Key.of(5, "plugin"))
            message = {"name": "my_sign", "fields": {"block": BLOCK}, "dim": dim}
            lines.append(json.dumps({**message, "frame": base64.b64encode(frames[0]).decode()}))
            expected += [str(dtype), hashlib.sha256(received.numpy().tobytes()).hexdigest()]
    ended = python(installed, "-c", RECEIVER, text="\n".join(lines))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == expected
