"""A tiny network with its samples and its task, in float64."""

from __future__ import annotations

from dataclasses import replace

import torch

from fedkd.clients import ClientSamples
from fedkd.data import Split
from fedkd.keys import key
from fedkd.models.batch_norm import BatchNorm
from fedkd.probes import Probes
from fedkd.tasks.ressl.learner import RelationalLearner
from fedkd.tasks.ressl.task import ReSSL
from fedkd.tasks.ressl.views import Views
from tests.tasks.ressl.restatement import Array

SAMPLES, BATCH, RATE = 23, 6, 0.1
SHAPE = (1, 2, 4)
PROBES = Probes(shots=(1,), episodes=2, neighbours=1, labels=1, draws=1, at_most=100)
VIEWS = Views(
    crops=1,
    scale=(0.5, 1.0),
    ratio=(0.75, 1.25),
    flip=0.5,
    jitter=0.8,
    brightness=0.3,
    contrast=0.3,
    saturation=0.0,
    hue=0.0,
    grey=0.0,
    blur=0.0,
    blur_sigma=(0.5, 1.0),
    weak_scale=(0.8, 1.0),
    weak_flip=0.5,
    teacher="weak",
)
TASK = ReSSL(
    tau_student=0.1,
    tau_teacher=0.04,
    momentum=0.9,
    queue_size=16,
    teacher="local",
    queue="keep",
    mixing=0.0,
    on_collapse="warn",
    views=VIEWS,
    probes=PROBES,
    schedules={},
)


def task_of(momentum: float = 0.9, crops: int = 1) -> ReSSL:
    return replace(TASK, momentum=momentum, views=replace(VIEWS, crops=crops))


def network(tracks: bool = False) -> torch.nn.Sequential:
    """8-6-5 with BatchNorm, and a projector 5-7-4; the same weights every time."""
    nn = torch.nn
    projector = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 4))
    module = nn.Sequential(nn.Flatten(), nn.Linear(8, 6), BatchNorm(6, tracks), nn.ReLU(), nn.Linear(6, 5), projector)
    generator = key(0, "model").generator()
    for name, parameter in module.named_parameters():
        centre = 1.0 if name == "2.weight" else 0.0
        with torch.no_grad():
            parameter.copy_(centre + torch.from_numpy(generator.standard_normal(tuple(parameter.shape))) / 2)
    return module.double()


def samples(count: int = SAMPLES, client: int = 0) -> ClientSamples:
    """Some of a client's, all of one split."""
    generator = key(0, "data").generator()
    x = torch.from_numpy(generator.standard_normal((100, *SHAPE)))
    return ClientSamples(Split(x, torch.arange(100) % 2), torch.arange(count) + 7 * client, None)


def learner_of(task: ReSSL, tracks: bool = False, anchors: int = 0) -> RelationalLearner:
    everything = samples().split
    return RelationalLearner(network(tracks), task, everything, everything.x[:anchors], key(0, "probe"))


def views_of_step(task: ReSSL, round_: int, step: int) -> tuple[Array, Array]:
    """What teacher and student see in a step of a round, as rows."""
    stream = key(0, "train", round_, 1)
    orders = [torch.from_numpy(stream.fold(epoch).permutation(SAMPLES)) for epoch in range(step + 1)]
    batches = [chunk for order in orders for chunk in order.split(BATCH)]
    x = samples().take(batches[step]).x
    drawn = stream.fold("views", step).uniforms(len(x) * task.views.numbers).view(len(x), -1)
    return task.views.weak(x, drawn).flatten(1).numpy(), task.views.contrastive(x, drawn).flatten(1).numpy()
