"""How a learner's clients are trained together: settled once, kept with the learner."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from fedkd.tasks.learner import NetworkLearner
from fedkd.tasks.ressl.learner import RelationalLearner
from fedkd.trainers.batched.bench import Bench, several
from fedkd.trainers.batched.capacity import capacity, halved
from fedkd.trainers.batched.cohort import Cohort, Report
from fedkd.trainers.batched.layered import Layered
from fedkd.trainers.batched.recording import Record, cuda_graphs
from fedkd.trainers.batched.relational import Relational
from fedkd.trainers.batched.ways import Networks, Precision, Vectorised

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.learner import Networked
    from fedkd.trainers.batched.plan import Member
    from fedkd.trainers.solvers import Solver

Convolutions = Literal["auto", "grouped", "unfold"]
Kind = Literal["auto", "grouped", "unfold", "fused", "vmap"]
"""A way in a word: that of convolutions where there are some; "auto" is still to be found."""

MOST = 1024
"""Clients at once, however few bytes they take."""
LARGER = 4
"""A group so many times as large as the one in which convolutions were timed has them timed again."""


class Terms(NamedTuple):
    """What a configuration asks of a team; the same words as ``Batched``."""

    batch_size: int
    clients: int | Literal["auto"]
    convolutions: Convolutions
    graph: bool
    precision: Precision


class Team:
    """Trains groups of one learner's clients with one solver, and remembers how.

    Args:
        learner: whose network it is; every call takes it again, so that nothing here keeps it alive.
    """

    def __init__(self, learner: Networked, solver: Solver, terms: Terms) -> None:
        self.solver, self.terms = solver, terms
        self.size: int | None = None if terms.clients == "auto" else terms.clients
        self.kind: Kind = _kind(learner, terms)
        self.recording = _recording(learner, terms)
        self._stream: torch.cuda.Stream | None = None
        if learner.device.type == "cuda":
            self._stream = torch.cuda.Stream(learner.device)  # type: ignore[no-untyped-call]
        self._chooses = self.kind == "auto"
        self._width = self._timed = 0
        self._bench: Bench | None = None
        self._constants = learner.constants

    def size_for(self, learner: Networked, members: Sequence[Member]) -> int:
        """How many of these clients, or of fewer, are trained at once; the first are the most work."""
        width = max((len(order) for order in members[0].orders), default=0)
        width = min(width, self.terms.batch_size or width)
        if len(members) == 1:
            return 1
        if self.size is None or (self.terms.clients == "auto" and width > self._width):
            self._bench, self._width = None, width
            vector = (learner.dim + learner.keeps) * learner.dtype.itemsize
            self.size = capacity(learner.device, MOST, vector, lambda count: self._try(learner, members[:count]))
        return self.size

    def train(self, learner: Networked, members: Sequence[Member]) -> tuple[Tensor, list[Report]]:
        """The updates [K, d] of a group, and what its clients report."""
        cohort = Cohort(learner, members, self.terms.batch_size)
        received = _received(members)
        if self._chooses and len(members) > LARGER * self._timed:
            self._settle(learner, cohort, received)
        bench = self._ready(learner, len(members))
        vectors = _trained(bench, learner, cohort, received)
        if bench.company is None:
            return vectors, cohort.reports()
        numbers = bench.company.reports()
        return vectors, [Report(numbers[place], kept=bench.left(place)) for place in range(len(members))]

    @contextmanager
    def aside(self) -> Iterator[None]:
        """On a GPU: a stream of its own, which alone can be recorded, after and before all that is outside."""
        if self._stream is None:
            yield
            return
        outside = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(outside)
        with torch.cuda.stream(self._stream):
            yield
        outside.wait_stream(self._stream)

    def halve(self, count: int) -> None:
        """So many clients did not fit: give back all memory, and take half as many from now on."""
        self._bench = None
        self.size = halved(count)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _ready(self, learner: Networked, count: int) -> Bench:
        """A bench for so many clients: the one that is there, if it is large enough and has the learner's constants."""
        if self._bench is None or self._bench.capacity < count or self._constants != learner.constants:
            self._bench, self._constants = None, learner.constants
            self._bench = self._make(learner, count, self.kind, cuda_graphs() if self.recording == "graph" else None)
        return self._bench

    def _make(self, learner: Networked, count: int, kind: Kind, record: Record | None) -> Bench:
        if kind == "fused" and (layered := Layered.of(learner)) is not None:
            return Bench(learner, self.solver, count, layered, record)
        networks = Networks(learner, kind in ("unfold", "auto"), self.terms.precision)
        if isinstance(learner, RelationalLearner):
            company = learner.company(count)
            relational = Relational(networks, company, several(count, learner.carried))
            return Bench(learner, self.solver, count, relational, record, company)
        assert isinstance(learner, NetworkLearner), "there is no other kind"
        return Bench(learner, self.solver, count, Vectorised(networks, learner.task), record)

    def _try(self, learner: Networked, members: Sequence[Member]) -> None:
        """One step of a few clients, by autograd, in the way that takes most memory."""
        bench = self._make(learner, len(members), "vmap" if self.kind == "fused" else self.kind, None)
        _trained(bench, learner, Cohort(learner, members, self.terms.batch_size), _received(members), steps=1)

    def _settle(self, learner: Networked, cohort: Cohort, received: Tensor) -> None:
        """Time a step of this group with either kind of convolution; what is best may change as groups grow."""
        self._bench, self._timed = None, len(received)

        def seconds(kind: Kind) -> float:
            bench = self._make(learner, len(received), kind, None)
            step = partial(_trained, bench, learner, cohort, received, steps=1)
            return min([_timed(step, learner.device) for _ in range(3)][1:])

        self.kind = "grouped" if seconds("grouped") < seconds("unfold") else "unfold"


def _trained(bench: Bench, learner: Networked, cohort: Cohort, received: Tensor, steps: int | None = None) -> Tensor:
    """What the bench makes of the group, in the learner's round."""
    if bench.company is not None and isinstance(learner, RelationalLearner):
        learner.gather(bench.company)
    return bench.train(cohort, received, steps)


def _received(members: Sequence[Member]) -> Tensor:
    return torch.stack([member.pupil.x for member in members])


def _kind(learner: Networked, terms: Terms) -> Kind:
    if terms.precision == "float32" and Layered.of(learner) is not None:
        return "fused"
    convolves = any(isinstance(part, torch.nn.Conv2d) for part in learner.module.modules())
    return terms.convolutions if convolves else "vmap"


def _recording(learner: Networked, terms: Terms) -> str:
    """Whether steps are recorded, and why not."""
    if not terms.graph:
        return "no graph"
    if learner.device.type != "cuda":
        return f"no graph ({learner.device.type})"
    return "graph" if learner.task.separable else "no graph (the loss is no mean of one term a sample)"


def _timed(run: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
