"""The workshop: all that training any client needs, on one device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from fedkd.algorithms import Gate
from fedkd.beside import Beside
from fedkd.clients import ClientSamples
from fedkd.keys import key
from fedkd.links import Link
from fedkd.trainers.trainer import Pupil

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from fedkd.data import Split
    from fedkd.tasks.learner import Resident
    from fedkd.trainers import Solver, Trainer


@dataclass(frozen=True)
class Workshop:
    """All that a worker needs to train any client.

    Args:
        learner: the resident student, on the worker's device.
        parts: sample indices of every client.
        logits: a teacher's answers [m, classes] for a client's samples, asked when the learner holds the received
            model, with what came beside it; None without distillation.
        uplink: the clients' half of the uplink, with its rate resolved.
        test: what the server's model is evaluated on.
        fresh: what a client keeps for its task before its first round; None where nothing is kept.
        beside: what travels beside the model; None for nothing.
        numbers: how many a client reports; None admits any.
        gate: what an update must be where this worker adds.
        tolerant: whether a client that fails is told of, instead of ending the run.
    """

    learner: Resident
    trainer: Trainer
    solver: Solver
    train: Split
    test: Split
    parts: Sequence[np.ndarray]
    logits: Callable[[int, Tensor | None], Tensor] | None
    uplink: Link
    seed: int
    run: int
    fresh: Callable[[int], Tensor] | None = None
    beside: Beside | None = None
    numbers: int | None = None
    gate: Gate = field(default_factory=Gate)
    tolerant: bool = False

    def pupil(
        self, round_: int, client: int, x: Tensor, kept: Tensor | None = None, told: Tensor | None = None
    ) -> Pupil:
        """A client that has received the model x [d], with its samples, what its teacher says of them, and its key.

        Args:
            round_: that begins.
            client: its number.
            x: the model.
            kept: what it keeps for its task; None before its first round.
            told: what came beside the model.
        """
        self.learner.begin(round_)
        x, logits = x.to(self.learner.device), None
        if self.logits is not None:
            self.learner.load(x)
            logits = self.logits(client, told).to(x.device)
        samples = ClientSamples(self.train, torch.from_numpy(self.parts[client]), logits)
        if kept is None and self.fresh is not None:
            kept = self.fresh(client)
        return Pupil(x, samples, key(self.seed, "train", round_, client), kept)
