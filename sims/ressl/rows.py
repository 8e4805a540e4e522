"""Runs of one setting, one a seed, and what they say."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from fedkd.configuration import Settings
from fedkd.records import History, RoundReport
from fedkd.records.summary import curve
from fedkd.tasks import ReSSL
from sims.evaluate import evaluate
from sims.plots import Curve
from sims.ressl.grounds import Ground, Overrides

ONE, FIVE, PROBE = "accuracy_1_shot", "accuracy_5_shot", "accuracy_probe"
LAST = 3
"""Rounds over which cosines are averaged."""


@dataclass(frozen=True)
class Row:
    """One setting: a run a seed."""

    name: str
    runs: tuple[History, ...]

    def accuracies(self, metric: str) -> list[float]:
        """Of the server's encoder after the last round, one a seed."""
        return [run.reports[-1].metrics[metric] for run in self.runs]

    @property
    def cosines(self) -> list[float]:
        """Of different samples' embeddings, the mean of the last rounds, one a seed."""
        return [statistics.fmean(report.diagnostics["cosine"] for report in run.reports[-LAST:]) for run in self.runs]

    @property
    def alarms(self) -> list[int]:
        """Rounds that said that embeddings have collapsed, one a seed."""
        return [sum(bool(report.alarm) for report in run.reports) for run in self.runs]

    @property
    def rounds(self) -> int:
        """Of each run."""
        return len(self.runs[0].reports)

    def megabytes(self, sent: Callable[[RoundReport], int]) -> list[float]:
        """In all rounds, headers included, one a seed."""
        return [sum(map(sent, run.reports)) / 1e6 for run in self.runs]

    def curve(self, metric: str, look: int, against: str = "samples") -> Curve:
        """A metric in percent against the share of the run that is done, or megabytes up and down."""
        xs, ys = [], []
        for run in self.runs:
            points = curve(run.reports, metric)
            sent = list(accumulate(report.bytes_total / 1e6 for report in run.reports))
            xs.append(np.array([sent[at] if against == "bytes" else (at + 1) / len(sent) for at, _ in points]))
            ys.append(100 * np.array([value for _, value in points]))
        return Curve(self.name, xs, ys, look, dashed=look >= LOOKS)

    def numbers(self) -> dict[str, object]:
        """For the JSON file."""
        return {
            "name": self.name,
            "seeds": [run.manifest["facts"]["seed"] for run in self.runs],
            **{metric: self.accuracies(metric) for metric in self.runs[0].reports[-1].metrics},
            "cosine": self.cosines,
            "alarms": self.alarms,
            "rounds": self.rounds,
            "megabytes_up": self.megabytes(lambda report: report.bytes_up),
            "megabytes_down": self.megabytes(lambda report: report.bytes_down),
            "model_sha256": [run.manifest["model_sha256"] for run in self.runs],
        }


LOOKS = 9
"""Curves of one panel that differ by colour."""


def rows(ground: Ground, part: str, shared: Overrides, variants: Mapping[str, Overrides]) -> Iterator[Row]:
    """Run what is missing, setting by setting."""
    for name, changes in variants.items():
        yield Row(name, ground.runs(f"{part}/{word(name)}", shared, changes))


def word(name: str) -> str:
    """A name as a folder's."""
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())


def floors(row: Row) -> dict[str, dict[str, list[float]]]:
    """What the same probes say of the first, random network of these runs, and of raw samples; one a seed."""
    found: dict[str, dict[str, list[float]]] = {}
    for run in row.runs:
        task = Settings.of(run.manifest["configuration"]).task
        assert isinstance(task, ReSSL), "all runs here are"
        for features, scores in evaluate(run.folder, task.probes).rows.items():
            if features == "this run":
                continue
            for metric, score in scores.items():
                found.setdefault(features, {}).setdefault(metric, []).append(score.mean)
    return found
