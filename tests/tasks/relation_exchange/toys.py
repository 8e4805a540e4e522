"""Two tiny architectures with their samples, in float64."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import torch

from fedkd.data import Split
from fedkd.keys import key
from fedkd.models import Mlp, Projected
from fedkd.tasks import RelationExchange
from fedkd.tasks.relation_exchange.learner import ExchangeLearner
from fedkd.tasks.relation_exchange.quality import Quality
from fedkd.tasks.ressl.learner import RelationalLearner
from fedkd.trainers import Pupil, Serial, Sgd, Update
from tests.tasks.ressl.toys import BATCH, RATE, TASK, samples

STUDENTS = {"a": Projected(Mlp(hidden=(6,)), 5, 3, "batch"), "b": Projected(Mlp(hidden=(9, 7)), 4, 5, "none")}
ANCHORS, CLASSES = 8, 2
LOCAL = replace(TASK, queue_size=16)
EXCHANGE = RelationExchange(students=STUDENTS, local=LOCAL, anchors=ANCHORS, steps=3, tau_student=0.2, tau_teacher=0.1)
KEY = key(0, "model")


def public(count: int = 12) -> Split:
    """So many samples that no client holds."""
    return samples().split.take(np.arange(80, 80 + count))


def networks() -> list[torch.nn.Module]:
    return [model.build((1, 2, 4), CLASSES, KEY).double() for model in STUDENTS.values()]


def learner_of(task: RelationExchange = EXCHANGE, anchors: int = 12) -> ExchangeLearner:
    everything, probe = samples().split, key(0, "probe")
    students = [
        RelationalLearner(copy.deepcopy(module), task.local, everything, public(anchors).x, probe)
        for module in networks()
    ]
    return ExchangeLearner(task, students, public(anchors), Quality(task.probes, everything, public(), probe))


def trained(
    learner: ExchangeLearner, client: int, x: torch.Tensor, kept: torch.Tensor, round_: int = 1, steps: int = 2
) -> Update:
    """A client's round of so many local steps."""
    learner.begin(round_)
    pupil = Pupil(x, samples(client=client), key(0, "train", round_, client), kept)
    [update] = Serial(1, BATCH, steps, "auto").train(learner, Sgd(RATE, 0.0, 0.0, 0.0), [pupil])
    return update
