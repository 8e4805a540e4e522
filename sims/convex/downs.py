"""The downlinks of the table for all seeds at once; see ``fedkd.algorithms``.

Legend: S seeds, N clients; ``active`` [N, S] says who takes part; models are [S, d], received models [N, S, d].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from fedkd.keys import key
from fedkd.links import Difference
from sims.convex.ends import Sender, zeros
from sims.convex.methods import IDENTITY, Method, measured
from sims.convex.streams import Streams, key_of
from sims.convex.versions import Versions

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Numbers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

HEADER = 32
"""Bytes of a message before its frame."""
FLOAT32 = 4


class Heard(NamedTuple):
    """What clients received, and the bytes of it [S]."""

    models: Tensor
    broadcast: Numbers
    unicast: Numbers


class Down(ABC):
    """A downlink."""

    def __init__(self, method: Method, seeds: tuple[int, ...], clients: int, dim: int) -> None:
        self._sender = Sender(method.downlink, dim, method.measure)
        self._streams, self._shape = Streams(seeds, "downlink"), (clients, len(seeds), dim)
        self._none = np.zeros(len(seeds), np.int64)
        frame = measured(IDENTITY, zeros(1, dim), key_of(np.zeros(1, np.uint64)))[0]
        self._full = HEADER + int(frame[0])

    @abstractmethod
    def send(self, models: Tensor, active: Flags, round_: int) -> Heard:
        """The messages of a round."""

    def step(self, models: Tensor, steps: Tensor, moved: Flags, round_: int) -> Tensor:
        """Move the server's models by steps [S, d]: preserved models make the whole step."""
        return models - steps

    def _versions(self) -> Versions:
        clients, seeds, dim = self._shape
        return Versions(clients, seeds, self._full, FLOAT32 * dim)


class ToAll(Down):
    """The model, to all: Om = C(w - H), x = H + Om."""

    def __init__(self, method: Method, seeds: tuple[int, ...], clients: int, dim: int) -> None:
        super().__init__(method, seeds, clients, dim)
        self._memory, self._started = zeros(len(seeds), dim), np.zeros(len(seeds), bool)
        self._known = self._versions()

    def send(self, models: Tensor, active: Flags, round_: int) -> Heard:
        """One message for everyone; nothing for an empty cohort."""
        asked = np.flatnonzero(active.any(axis=0))
        if len(asked) < len(models):
            return self._some(models, active, asked, round_)
        sent = self._sender.send(models, self._memory, self._started, self._streams.everyone(round_))
        received = self._sender.received(sent.change, self._memory, sent.full)
        lengths = HEADER + sent.lengths
        unicast = self._none
        if self._sender.link.remembers:
            assert sent.memory is not None
            unicast = self._told(active, asked, sent.full, lengths)
            self._memory, self._started = sent.memory, np.ones_like(self._started)
        return Heard(received.expand(self._shape), lengths, unicast)

    def _some(self, models: Tensor, active: Flags, asked: Numbers, round_: int) -> Heard:
        """The same where some seeds have nobody to ask."""
        received, lengths, unicast = models.clone(), self._none.copy(), self._none.copy()
        if len(asked):
            memory, streams = self._memory[asked], self._streams.everyone(round_)[asked]
            sent = self._sender.send(models[asked], memory, self._started[asked], streams)
            received[asked] = self._sender.received(sent.change, memory, sent.full)
            lengths[asked] = HEADER + sent.lengths
            if self._sender.link.remembers:
                assert sent.memory is not None
                unicast = self._told(active, asked, sent.full, lengths[asked])
                self._memory[asked], self._started[asked] = sent.memory, True
        return Heard(received.expand(self._shape), lengths, unicast)

    def _told(self, active: Flags, asked: Numbers, full: Flags, lengths: Numbers) -> Numbers:
        known = self._known
        unicast = np.where(self._started, known.catch_up(active, known.now), 0)
        known.restart(asked[full])
        known.add(asked[~full], lengths[~full])
        known.arrive(active)
        return unicast


class ToEach(Down):
    """The model, to each: an independent Om_i = C(w - H_i)."""

    def __init__(self, method: Method, seeds: tuple[int, ...], clients: int, dim: int) -> None:
        super().__init__(method, seeds, clients, dim)
        self._memory, self._started = zeros(*self._shape), np.zeros(self._shape[:2], bool)
        self._everyone = np.arange(clients)

    def send(self, models: Tensor, active: Flags, round_: int) -> Heard:
        """A message a client."""
        who, runs = np.nonzero(active)
        received, unicast = models.expand(self._shape).clone(), self._none.copy()
        if len(who):
            memory, streams = self._memory[who, runs], self._streams.of(round_, self._everyone)[who, runs]
            sent = self._sender.send(models[runs], memory, self._started[who, runs], streams)
            received[who, runs] = self._sender.received(sent.change, memory, sent.full)
            np.add.at(unicast, runs, HEADER + sent.lengths)
            if self._sender.link.remembers:
                assert sent.memory is not None
                self._memory[who, runs], self._started[who, runs] = sent.memory, True
        return Heard(received, self._none, unicast)


class Step(Down):
    """The compressed step, to all: server and clients hold the same, degraded, model."""

    def __init__(self, method: Method, seeds: tuple[int, ...], clients: int, dim: int) -> None:
        super().__init__(method, seeds, clients, dim)
        self._memory, self._known = zeros(len(seeds), dim), self._versions()
        self._known.restart(np.arange(len(seeds)))
        self._waiting, self._number = self._none + self._full, self._none + 1
        self._starts = np.ones(len(seeds), bool)

    def send(self, models: Tensor, active: Flags, round_: int) -> Heard:
        """The steps made since the last broadcast, and for a stale client what it missed before."""
        asked, known = active.any(axis=0), self._known
        broadcast = np.where(asked, self._waiting, 0)
        unicast = np.where(self._starts, 0, known.catch_up(active, known.now - self._number))
        self._waiting, self._number = np.where(asked, 0, self._waiting), np.where(asked, 0, self._number)
        self._starts &= ~asked
        known.arrive(active)
        return Heard(models.expand(self._shape), broadcast, unicast)

    def step(self, models: Tensor, steps: Tensor, moved: Flags, round_: int) -> Tensor:
        """Compress the steps, and move the models by what clients will decode."""
        which = np.flatnonzero(moved)
        if not len(which):
            return models
        started, streams = np.ones(len(which), bool), self._streams.everyone(round_)[which]
        sent = self._sender.send(steps[which], self._memory[which], started, streams)
        after, lengths = models.clone(), HEADER + sent.lengths
        after[which] -= sent.change
        if sent.memory is not None:
            self._memory[which] = sent.memory
        self._known.add(which, lengths)
        self._waiting[which] += lengths
        self._number[which] += 1
        return after


class Moved(Down):
    """What the model has moved by, to each, or now and then the model to all."""

    def __init__(self, method: Method, seeds: tuple[int, ...], clients: int, dim: int) -> None:
        super().__init__(method, seeds, clients, dim)
        self._before, self._own, self._known = zeros(len(seeds), dim), zeros(*self._shape), self._versions()
        self._seeds, self._everyone = seeds, np.arange(clients)
        assert isinstance(method.downlink.memory, Difference)
        self._probability = method.downlink.memory.probability

    def send(self, models: Tensor, active: Flags, round_: int) -> Heard:
        """W to all when the coin says so, or a change to each, or w to those who missed one."""
        asked, known = active.any(axis=0), self._known
        whole = asked & ((known.now == 0) | self._coins(round_))
        fresh = active & (known.seen == known.now) & ~whole
        broadcast, unicast = np.where(whole, self._full, 0), self._full * (active & ~whole & ~fresh).sum(axis=0)
        own = torch.where(torch.from_numpy(active & ~fresh)[:, :, None], models, self._own)
        who, runs = np.nonzero(fresh)
        if len(who):
            streams = self._streams.of(round_, self._everyone)[who, runs]
            moved = (models - self._before)[runs]
            sent = self._sender.send(moved, moved, np.ones(len(who), bool), streams)
            own[who, runs] += sent.change
            np.add.at(unicast, runs, HEADER + sent.lengths)
        self._own, self._before = own, torch.where(torch.from_numpy(asked)[:, None], models, self._before)
        known.restart(np.flatnonzero(asked))
        known.arrive(active)
        return Heard(own, broadcast, unicast)

    def _coins(self, round_: int) -> Flags:
        draws = [float(key(seed, "downlink", round_).fold("whole").uniforms(1)[0, 0]) for seed in self._seeds]
        return np.array(draws) < self._probability


def down(method: Method, seeds: tuple[int, ...], clients: int, dim: int) -> Down:
    """The downlink of a method."""
    if isinstance(method.downlink.memory, Difference):
        return Moved(method, seeds, clients, dim)
    kind = Step if method.row.compresses == "step" else ToEach if method.row.sent_to == "each" else ToAll
    return kind(method, seeds, clients, dim)
