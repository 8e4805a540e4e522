"""Rounds to schedule: made up, or recorded by a run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from fedkd.errors import ConfigurationError
from fedkd.records.timeline import RoundTimeline, read_timeline
from fedkd.trainers.passes import Passes

CLIENTS_PER_WORKER = 20
POPULATION = 2
"""Clients there are over clients of a round."""
OVERHEAD, PER_SAMPLE = 0.05, 0.002
NOISE = 0.05
"""Deviation of log seconds that nobody can predict."""
SWEEPS = 10


@dataclass(frozen=True)
class Round:
    """What a round has to do, as nobody knows in advance.

    Args:
        seconds: of each client on a worker of factor 1.
        works: of each client: samples x epochs.
        factors: seconds on each worker over seconds on one of factor 1.
    """

    seconds: Mapping[int, float]
    works: Mapping[int, float]
    factors: Sequence[float]

    @property
    def bound(self) -> float:
        """No schedule ends before: max(total work / total speed, longest client on the fastest worker), in seconds."""
        speed = sum(1 / factor for factor in self.factors)
        return max(sum(self.seconds.values()) / speed, max(self.seconds.values()) * min(self.factors))


@dataclass(frozen=True)
class Setting:
    """Made-up rounds: 20 clients a worker out of twice as many, log samples ~ N(log 100, 0.7^2).

    seconds = (0.05 + 0.002 samples) exp(sigma z_client) exp(0.05 z), z standard normal, z new in every round.

    Args:
        factors: of the workers.
        sigma: deviation of a client's log residual.
    """

    name: str
    factors: tuple[float, ...]
    sigma: float = 0.0

    def rounds(self, count: int, seed: int) -> Iterator[Round]:
        """Rounds of one seed."""
        draws = np.random.default_rng(seed)
        cohort = CLIENTS_PER_WORKER * len(self.factors)
        samples = np.maximum(draws.lognormal(math.log(100), 0.7, POPULATION * cohort).round(), 1)
        usual = (OVERHEAD + PER_SAMPLE * samples) * np.exp(self.sigma * draws.standard_normal(len(samples)))
        for _ in range(count):
            clients = np.sort(draws.choice(len(samples), cohort, replace=False))
            seconds = usual[clients] * np.exp(NOISE * draws.standard_normal(cohort))
            named = clients.tolist()
            yield Round(
                dict(zip(named, seconds.tolist(), strict=True)),
                dict(zip(named, samples[clients].tolist(), strict=True)),
                self.factors,
            )


SETTINGS = (
    Setting("8", (1.0,) * 8),
    Setting("8, clients differ", (1.0,) * 8, sigma=0.7),
    Setting("8, 4 half as fast", (1.0, 2.0) * 4),
    Setting("2", (1.0,) * 2),
    Setting("32", (1.0,) * 32),
)


def recorded(path: Path, workers: int = 0) -> list[Round]:
    """The rounds of a run, from its timeline and the manifest beside it.

    On another worker a client is taken to need its recorded time times the ratio of the workers' factors, which are
    fitted to the whole file, with hindsight.

    Args:
        path: the run's timeline.jsonl.
        workers: how many to simulate, with the recorded factors in turn; 0: as many as the run had.

    Raises:
        ConfigurationError: a file is missing or is not what it should be, or no client was recorded.
    """
    timelines = [each for each in read_timeline(path.parent) if each.bars]
    if not timelines:
        raise ConfigurationError(f"{path}: holds no round; give the timeline.jsonl of a run")
    works = _works(path.parent / "manifest.json")
    fitted = fit_factors(timelines)
    factors = tuple(islice(cycle(fitted), workers or len(fitted)))
    rounds = []
    for timeline in timelines:
        bars = sorted(timeline.bars, key=lambda bar: bar.client)
        seconds = {bar.client: (bar.end - bar.begin) / fitted[bar.worker] for bar in bars}
        rounds.append(Round(seconds, {client: works[client] for client in seconds}, factors))
    return rounds


def fit_factors(timelines: Sequence[RoundTimeline]) -> tuple[float, ...]:
    """Factors of the workers, geometric mean 1: log seconds = client + worker, by least squares in alternation."""
    bars = [bar for timeline in timelines for bar in timeline.bars if bar.end > bar.begin]
    workers = np.array([bar.worker for bar in bars])
    _, clients = np.unique([bar.client for bar in bars], return_inverse=True)
    logs = np.log([bar.end - bar.begin for bar in bars])
    factors = np.zeros(max(timeline.workers for timeline in timelines))
    for _ in range(SWEEPS):
        of_client = _means(logs - factors[workers], clients, clients.max() + 1)
        factors = _means(logs - of_client[clients], workers, len(factors))
        factors -= factors.mean()
    return tuple(np.exp(factors).tolist())


def _means(values: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Mean of each group's values [count]; 0 for an empty one."""
    return np.bincount(groups, values, count) / np.maximum(np.bincount(groups, minlength=count), 1)


def _works(manifest: Path) -> list[int]:
    """Samples x epochs of every client of a run."""
    try:
        values: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        trainer, samples = values["configuration"]["trainer"], values["facts"]["samples"]
        passes = Passes(trainer["epochs"], trainer["batch_size"], trainer["batches"])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"{manifest}: {type(error).__name__}; keep it beside the timeline") from None
    return [passes.work(each) for each in samples]
