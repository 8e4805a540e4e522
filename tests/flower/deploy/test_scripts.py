"""The scripts that prepare a deployment: certificates, keys, connections, and how a run ended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flower.deploy.federation import SCRIPTS, environment


def does(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script."""
    start = [sys.executable] if script.endswith(".py") else ["bash"]
    command = [*start, str(SCRIPTS / script), *map(str, arguments)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)


def openssl(*arguments: object) -> str:
    """What it says."""
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With certificates for two hosts."""
    assert does("certificates.sh", tmp_path, "server.example.org", "192.0.2.7").returncode == 0
    return tmp_path


def test_the_certificate_is_of_the_authority_and_names_the_hosts(folder: Path) -> None:
    assert openssl("verify", "-CAfile", folder / "ca.crt", folder / "server.crt").endswith(": OK\n")
    names = openssl("x509", "-in", folder / "server.crt", "-noout", "-ext", "subjectAltName")
    for name in ("DNS:localhost", "IP Address:127.0.0.1", "DNS:server.example.org", "IP Address:192.0.2.7"):
        assert name in names


def test_secrets_are_readable_by_their_owner_only(folder: Path) -> None:
    assert does("node_key.sh", folder / "node").returncode == 0
    for name in ("ca.key", "server.key", "serverapps.secret", "node"):
        assert (folder / name).stat().st_mode & 0o077 == 0


def test_the_authority_is_kept_when_another_certificate_is_made(folder: Path) -> None:
    before = (folder / "ca.crt").read_bytes(), (folder / "server.crt").read_bytes()
    assert does("certificates.sh", folder).returncode == 0
    assert (folder / "ca.crt").read_bytes() == before[0]
    assert (folder / "server.crt").read_bytes() != before[1]


def test_an_argument_that_is_missing_is_named() -> None:
    for script in SCRIPTS.glob("*.sh"):
        if script.name != "environment.sh":
            done = does(script.name)
            assert (done.returncode, done.stderr.partition(" ")[0]) == (2, script.name)


@pytest.mark.parametrize(("reason", "code"), [("finished", 0), ("failed", 1), ("running", 1)])
def test_the_end_of_a_run_is_read_from_its_folder(tmp_path: Path, reason: str, code: int) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"reason": reason, "rounds_done": 3, "model_sha256": "ab"}))
    done = does("outcome.py", tmp_path, 0)
    assert done.returncode == code
    assert done.stdout.startswith(f"{reason} after 3 rounds, model ab")
    assert ("it is lost; resume=" in done.stdout) == (reason == "running")


def test_a_run_that_never_began_is_told(tmp_path: Path) -> None:
    done = does("outcome.py", tmp_path / "none")
    assert (done.returncode, done.stdout.startswith("no run: ")) == (1, True)
