"""Verification: a run is made again from its manifest, and held against what it left behind, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedkd.changes import WHERE, Differences, differences
from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.configuration.learned import FACT
from fedkd.errors import ConfigurationError
from fedkd.job import Job, execute
from fedkd.records import Outcome, read_manifest
from fedkd.records.jsonl import METRICS
from fedkd.records.lines import read_lines

_LONGEST = 60
"""Characters of a value that is shown."""


@dataclass(frozen=True)
class Left:
    """What a run left behind.

    Args:
        manifest: content of manifest.json.
        rounds: the objects of metrics.jsonl by their round.
    """

    manifest: Mapping[str, Any]
    rounds: Mapping[int, Mapping[str, Any]]

    @staticmethod
    def read(folder: Path) -> Left:
        """Read a run's folder.

        Raises:
            ConfigurationError: it holds no run, or its metrics are damaged.
        """
        lines = read_lines(folder / METRICS, json.loads)
        return Left(read_manifest(folder), {int(line["round"]): line for line in lines})

    @property
    def done(self) -> int:
        """Rounds that were done; a run that was cut off did not say, but has a line for each."""
        cut_off = self.manifest["reason"] == "running"
        return len(self.rounds) if cut_off else int(self.manifest["rounds_done"])

    @property
    def batched(self) -> bool:
        """Whether clients were trained many at a time."""
        return str(_trainer(self.manifest)["_target_"]).endswith(".Batched")

    def digest(self, name: str) -> str:
        """The sha256 of data, partition or model; empty where it is not known."""
        held = self.manifest if name == "model" else self.manifest["facts"]
        return str(held[f"{name}_sha256"])


@dataclass(frozen=True)
class Verdict:
    """What a comparison found, in lines for a reader."""

    same: bool
    lines: Sequence[str]


def make_again(folder: Path, made: Path, overrides: Sequence[str]) -> Outcome:
    """Run what a manifest says, for as many rounds as were done; nothing of the first run is used.

    Args:
        folder: of the first run.
        made: where the second one is to be.
        overrides: of the executor; none keeps the first run's.

    Raises:
        ConfigurationError: there is no run, none that can be made again, or it does not fit this version.
    """
    values = _values(folder, overrides)
    settings = Settings.of(values)
    check(settings)
    if (made / "manifest.json").exists():
        raise ConfigurationError(f"{made}: holds a run already; choose another folder")
    return execute(Job(settings, made, values, read_manifest(folder)["facts"]["overrides"], settings.recorder))


def compare(kept: Left, made: Left) -> Verdict:
    """Hold a run against one that was made again; stop-watches and places may differ."""
    data, partition, model = (_digest(name, kept, made) for name in ("data", "partition", "model"))
    parts = (data, partition, _rounds(kept, made), model)
    same = all(part.same for part in parts)
    lines = [line for part in parts for line in part.lines]
    hints = [] if same else list(_hints(kept, made))
    return Verdict(same, [*lines, *_environment(kept, made), *hints, "the same" if same else "not the same"])


def _values(folder: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration of the run that is to be made again."""
    left = Left.read(folder)
    for item in overrides:
        if item.partition("=")[0].lstrip("+").partition(".")[0] not in WHERE:
            raise ConfigurationError(
                f"{item}: a run is made again as it was; only where it happens ({', '.join(WHERE)}) may be another"
            )
    for entry in left.manifest["resumed"]:
        if entry["changed"]:
            named = ", ".join(entry["changed"])
            raise ConfigurationError(
                f"{folder}: {named} changed from round {entry['round']} on; a run that was changed cannot be made again"
            )
    if not left.done:
        raise ConfigurationError(f"{folder}: no round was done; there is nothing to compare")
    composed, groups = compose(overrides), {item.lstrip("+").partition("=")[0].partition(".")[0] for item in overrides}
    kept = left.manifest["configuration"]
    where = {group: composed[group] for group in WHERE if group in groups or group not in kept}
    values = {**kept, "rounds": left.done, "resume": None, "changed": []}
    values["trainer"] = _trainer(left.manifest)
    return values | where


def _trainer(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """The trainer, also where it was found by trial."""
    trainer: Mapping[str, Any] = manifest["facts"].get("trainer_choice", manifest["configuration"]["trainer"])
    return trainer


def _digest(name: str, kept: Left, made: Left) -> Verdict:
    before, after = kept.digest(name), made.digest(name)
    if not before:
        return Verdict(True, [f"{name}: the run was cut off before it kept one"])
    if before == after:
        return Verdict(True, [f"{name}: the same, sha256 {after}"])
    return Verdict(False, [f"{name}: sha256 {before} kept, {after} made again"])


def _rounds(kept: Left, made: Left) -> Verdict:
    """All that was counted and measured, up to the first difference."""
    every = int(kept.manifest["configuration"]["evaluate_every"])
    for number in range(kept.done):
        before, after = kept.rounds.get(number), made.rounds.get(number)
        if before is None or after is None:
            lacks = f"{METRICS} kept no line" if before is None else "it was not reached when made again"
            return Verdict(False, [*_before(number), f"round {number}: {lacks}", *_failed(made)])
        if found := _parted(before, after, (number + 1) % every == 0):
            return Verdict(False, [*_before(number), f"round {number}: {_first(found)}"])
    return Verdict(True, [f"rounds: all {kept.done} the same"])


def _parted(before: Mapping[str, Any], after: Mapping[str, Any], due: bool) -> Differences:
    """Where two lines part; the round that was the last of a part of a run was evaluated out of turn."""
    out_of_turn = not due and not (before["metrics"] and after["metrics"])
    found = differences(before, after)
    return {
        key: pair
        for key, pair in found.items()
        if not key.startswith("seconds") and not (out_of_turn and key.startswith("metrics."))
    }


def _before(number: int) -> list[str]:
    return [f"rounds: the first {number} the same"] if number else []


def _failed(made: Left) -> list[str]:
    return [f"made again, it failed: {made.manifest['message']}"] if made.manifest["reason"] == "failed" else []


def _first(found: Differences) -> str:
    """The first key with both values; of lists of one length, their first items that differ."""
    key, (before, after) = next(iter(found.items()))
    while isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        place = next(index for index, (one, two) in enumerate(zip(before, after, strict=True)) if one != two)
        key, before, after = f"{key}[{place}]", before[place], after[place]
    texts = [json.dumps(value) for value in (before, after)]
    kept, made = (text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..." for text in texts)
    return f"{key}: {kept} kept, {made} made again"


def _environment(kept: Left, made: Left) -> Iterator[str]:
    """Versions and platform, where they are others here."""
    for key, (before, after) in differences(kept.manifest["environment"], made.manifest["environment"]).items():
        yield f"hint: {key.removeprefix('packages.')}: {before} there, {after} here"


def _hints(kept: Left, made: Left) -> Iterator[str]:
    """Why two runs of one configuration may part."""
    for name in ("trainer", "uplink", "downlink"):
        before, after = (left.manifest["facts"][name] for left in (kept, made))
        if before != after:
            yield f"hint: {name}: {before} there, {after} here"
    before, after = (left.manifest["facts"]["init"].get("sha256") for left in (kept, made))
    if before != after:
        yield f"hint: init: sha256 {before} there, {after} here; its file was replaced"
    learned = [left.manifest["facts"].get(FACT, {}) for left in (kept, made)]
    for group, (before, after) in differences(*learned).items():
        yield f"hint: {group}.theta: sha256 {before} there, {after} here; its file was replaced"
    if kept.batched:
        there, here = (len(left.manifest["facts"]["workers"]) for left in (kept, made))
        yield (
            "hint: trainer Batched is equal bit for bit only under the same executor and workers, else up to "
            f"rounding; {there} workers there, {here} here"
        )
    if failed := [number for number, line in kept.rounds.items() if line["missing"]]:
        yield f"hint: clients were missing in rounds {', '.join(map(str, failed))}; failures do not happen again"
    if rounds := [str(entry["round"]) for entry in kept.manifest["resumed"]]:
        yield f"hint: resumed at round {', '.join(rounds)}; on Flower clients then start anew"
