"""Preferential round robin: jobs of unknown length, the one predicted shortest preferred, none starved.

At every moment, of the rate 1 of a machine (W machines: of their rate W), with m jobs unfinished,
    trust goes to the job predicted shortest (the W predicted shortest: trust each),
    1 - trust is shared equally by all:  (1 - trust) W/m each, the preferred ones too;   rate 1 each where m <= W.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedkd.errors import ConfigurationError
from fedkd.predict.descent import checked

Floats = NDArray[np.float64]


class RoundRobin:
    """Says which job gets the next slice of work, so that each gets what preferential round robin owes it.

    Work that was done is shared out on paper as the rates above say; a job's lag is its share so far less the work it
    got. The job with the largest lag comes next (ties: predicted shortest, then least number), jobs that are being
    worked on excepted: all is a function of the calls made, in their order. Lags sum to zero: one that ends leaves the
    others its lag in equal parts, one that comes begins at zero. With equal slices on one machine no job lags by more
    than 1 + 1/2 + ... + 1/m slices, m jobs being unfinished, however predictions change meanwhile.

    The order of calls is: ``add`` each job; ``next`` for a machine that is free; when its slice is over ``receive``,
    and ``end`` if the job is finished. Up to W jobs may be between ``next`` and ``receive`` at once. Slices need not be
    equal: give the work that was done, in any unit (seconds, epochs), the same for all jobs. Jobs end when they say so;
    predictions only order them. Predict the total length for the bounds of ``bound``, or what is left of it.

    Args:
        trust: lambda in [0, 1]; 0 is plain round robin, 1 works on the job predicted shortest alone.
        machines: W >= 1.

    Raises:
        ConfigurationError: a number is out of its range.

    Example:
        >>> robin = RoundRobin(trust=0.5)
        >>> robin.add(7, predicted=30.0)
        >>> robin.add(8, predicted=10.0)
        >>> order = []
        >>> for _ in range(4):
        ...     order.append(robin.next())
        ...     robin.receive(order[-1], amount=1.0)
        >>> order
        [8, 7, 8, 8]
    """

    def __init__(self, trust: float, machines: int = 1) -> None:
        self._trust = trusted("RoundRobin", trust)
        if machines < 1:
            raise ConfigurationError(f"RoundRobin: machines={machines}; choose machines >= 1")
        self._machines = machines
        self._predicted: dict[int, float] = {}
        self._lags: dict[int, float] = {}
        self._running: set[int] = set()

    @property
    def jobs(self) -> list[int]:
        """The unfinished ones, predicted shortest first."""
        return sorted(self._predicted, key=lambda job: (self._predicted[job], job))

    @property
    def lags(self) -> dict[int, float]:
        """Of each unfinished job: its share so far less the work it got."""
        return dict(self._lags)

    def add(self, job: int, predicted: float) -> None:
        """A job that is to be worked on.

        Raises:
            ConfigurationError: there is such a job already, or predicted is not a number.
        """
        if job in self._predicted:
            raise ConfigurationError(f"RoundRobin: job={job} is there already; choose another number, or predict it")
        self._predicted[job] = _number(job, predicted)
        self._lags[job] = 0.0

    def predict(self, job: int, predicted: float) -> None:
        """A job's predicted length, from now on; work that was done stays shared out as it was.

        Raises:
            ConfigurationError: there is no such job, or predicted is not a number.
        """
        self._known(job)
        self._predicted[job] = _number(job, predicted)

    def next(self) -> int | None:
        """The job that gets the next slice; none where all are being worked on, or W are."""
        waiting = [job for job in self.jobs if job not in self._running]
        if not waiting or len(self._running) == self._machines:
            return None
        job = max(waiting, key=self._lags.__getitem__)
        self._running.add(job)
        return job

    def receive(self, job: int, amount: float) -> None:
        """A slice is over: this job got this much work.

        Raises:
            ConfigurationError: the job is not being worked on, or amount is negative or not finite.
        """
        if job not in self._running:
            raise ConfigurationError(f"RoundRobin: job={job} is not being worked on; call next() first")
        if not 0 <= amount < np.inf:
            raise ConfigurationError(f"RoundRobin: job={job}: amount={amount}; give a finite number >= 0")
        self._running.remove(job)
        jobs = self.jobs
        for each, rate in zip(jobs, _rates(len(jobs), self._trust, self._machines), strict=True):
            self._lags[each] += amount * float(rate)
        self._lags[job] -= amount

    def end(self, job: int) -> None:
        """A job is finished, or given up.

        Raises:
            ConfigurationError: there is no such job.
        """
        self._known(job)
        self._running.discard(job)
        del self._predicted[job]
        left = self._lags.pop(job)
        for each in self._lags:
            self._lags[each] += left / len(self._lags)

    def keep(self) -> dict[str, Any]:
        """All jobs as numbers and arrays; one that is being worked on is kept as waiting."""
        jobs = self.jobs
        return {
            "rule": (self._trust, self._machines),
            "jobs": np.array(jobs, np.int64),
            "predicted": np.array([self._predicted[job] for job in jobs], np.float64),
            "lags": np.array([self._lags[job] for job in jobs], np.float64),
        }

    @staticmethod
    def resumed(kept: Mapping[str, Any]) -> RoundRobin:
        """With the jobs that were unfinished."""
        found = RoundRobin(*kept["rule"])
        jobs = kept["jobs"].tolist()
        found._predicted = dict(zip(jobs, kept["predicted"].tolist(), strict=True))
        found._lags = dict(zip(jobs, kept["lags"].tolist(), strict=True))
        return found

    def _known(self, job: int) -> None:
        if job not in self._predicted:
            raise ConfigurationError(f"RoundRobin: job={job} is unknown or finished; add it first")


def completions(lengths: Floats, predicted: Floats, trust: float) -> Floats:
    """When each of n jobs that all begin at 0 is complete on one machine, exactly: from one completion to the next.

    Args:
        lengths: [n], > 0.
        predicted: [n]; only their order counts, ties go to the lesser index.
        trust: lambda in [0, 1].

    Raises:
        ConfigurationError: shapes differ, a length is not positive and finite, or trust is out of its range.

    Example:
        >>> completions(np.array([2.0, 1.0]), predicted=np.array([5.0, 1.0]), trust=0.5)
        array([3.        , 1.33333333])
    """
    trusted("completions", trust)
    left = checked("completions", "lengths", lengths, len(predicted))
    if not (left > 0).all():
        raise ConfigurationError(f"completions: the least length is {left.min():g}; give lengths > 0")
    order = np.argsort(predicted, kind="stable")
    ended, now = np.zeros(len(left)), 0.0
    while len(order):
        rates = _rates(len(order), trust, 1)
        lasts = np.divide(left[order], rates, out=np.full(len(order), np.inf), where=rates > 0)
        passed = float(lasts.min())
        now += passed
        left[order] -= rates * passed
        # Jobs that end together differ by rounding.
        over = lasts <= passed * (1 + 1e-12)
        ended[order[over]] = now
        order = order[~over]
    return ended


def optimum(lengths: Floats) -> float:
    """The least sum of completion times on one machine: shortest first."""
    return float(np.sort(lengths) @ np.arange(len(lengths), 0.0, -1.0))


def bound(trust: float, error: float, jobs: int) -> float:
    """Of the ratio of ``completions(...).sum()`` to ``optimum``, for lengths of at least 1.

    min{(1/lambda)(1 + 2 eta/n), 2/(1 - lambda)}, and (1 + lambda)/(2 lambda) at eta = 0 where that is less: of the
    paper. The first fails where lengths may be less than 1: eta counts in units of the shortest. The last is for
    eta = 0 alone; the first continues it to small eta at up to twice its value.

    Args:
        trust: lambda in (0, 1).
        error: eta = |predicted - lengths|_1 >= 0.
        jobs: n >= 1.

    Raises:
        ConfigurationError: trust is out of its range.

    Example:
        >>> bound(trust=0.5, error=0.0, jobs=10), bound(trust=0.5, error=5.0, jobs=10)
        (1.5, 4.0)
    """
    if not 0 < trust < 1:
        raise ConfigurationError(f"bound: trust={trust} is not in (0, 1); choose 0 < trust < 1")
    least = min((1 + 2 * error / jobs) / trust, 2 / (1 - trust))
    return min(least, (1 + trust) / (2 * trust)) if error == 0 else least


def _rates(jobs: int, trust: float, machines: int) -> Floats:
    """Each job's part [m] of the work that is done, predicted shortest first; sums to 1."""
    preferred = min(machines, jobs)
    rates = np.full(jobs, (1 - trust) / jobs)
    rates[:preferred] += trust / preferred
    return rates


def trusted(who: str, trust: float) -> float:
    """The trust, refused unless it is in [0, 1]."""
    if not 0 <= trust <= 1:
        raise ConfigurationError(f"{who}: trust={trust} is not in [0, 1]; choose 0 <= trust <= 1")
    return float(trust)


def _number(job: int, predicted: float) -> float:
    if np.isnan(predicted):
        raise ConfigurationError(f"RoundRobin: job={job}: predicted={predicted}; give a number")
    return float(predicted)
