"""A fedkd job that is nothing but rounds, for benchmarks: settings as on the command line, data and parts of their own.

No evaluation, no checkpoint; clients' memories are in a folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fedkd.algorithms import Context, assemble
from fedkd.build import Setup, run_number
from fedkd.compose import compose
from fedkd.configuration import Settings
from fedkd.data import Dataset, Split
from fedkd.federation import run
from fedkd.keys import key
from fedkd.tasks.learner import NetworkLearner

SEED, CLASSES, SHAPE, ENDLESS = 7, 10, (1, 28, 28), 10**9
COMMON = (
    f"seed={SEED}",
    f"rounds={ENDLESS}",
    f"evaluate_every={ENDLESS}",
    "checkpoint_every=0",
    "recorder=quiet",
    "store=folder",
    "executor=processes",
    "participation=fixed",
    "task=supervised",
    "trainer=serial",
    "trainer.epochs=1",
    "trainer.batch_size=20",
    "solver.learning_rate=0.05",
    "solver.momentum=0.0",
)
LINKS = {
    "identity": ("algorithm=sgd", "uplink=identity", "downlink=identity"),
    "MCM r=1": ("algorithm=mcm", "uplink.operator.step=1.0", "downlink.operator.step=1.0"),
}
MODELS = {"cnn": ("model=fedavg_cnn",), "mlp": ("model=mlp", "model.hidden=[200,200]")}


def images(count: int) -> Split:
    """Noisy prototypes of ten classes, [count, 1, 28, 28]."""
    generator = np.random.default_rng(SEED)
    prototypes = generator.standard_normal((CLASSES, 7, 7), np.float32).repeat(4, axis=1).repeat(4, axis=2)
    y = generator.integers(0, CLASSES, count)
    x = 0.5 * prototypes[y] + generator.standard_normal((count, *SHAPE[1:]), np.float32)
    return Split(torch.from_numpy(x[:, None]), torch.from_numpy(y))


def setup(overrides: Sequence[str], data: Split, parts: Sequence[np.ndarray]) -> Setup:
    """What ``fedkd.build`` puts together, for samples and clients' parts that are given."""
    torch.set_num_threads(1)
    settings = Settings.of(compose([*COMMON, f"clients={len(parts)}", *overrides]))
    assert settings.model is not None
    network = settings.model.build(SHAPE, CLASSES, key(settings.seed, "model"))
    learner = NetworkLearner(network, settings.task)
    samples, share = tuple(map(len, parts)), settings.participation.probability(settings.clients)
    context = Context(settings.seed, run_number(settings), len(learner.vector), samples, share)
    algorithm = assemble(settings.algorithm, settings.uplink, settings.downlink, settings.server, context)
    nothing = data.take(np.arange(0))
    dataset = Dataset("prototypes", data, nothing, nothing, CLASSES, None)
    return Setup(settings, dataset, list(parts), algorithm, learner, b"", None)


@contextmanager
def rounds(job: Setup) -> Iterator[Iterator[Tensor]]:
    """Start the workers; every step of what is given is a round, which gives its model [d]."""
    with tempfile.TemporaryDirectory() as folder:
        federation = job.open(Path(folder), {})
        try:
            yield (state.model for state, _ in run(federation, job.algorithm.start(job.model), ENDLESS))
        finally:
            federation.executor.close()
