"""A small heterogeneous least-squares federation in float64, built from the framework's own parts."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from fedkd.admission import Admission
from fedkd.algorithms import Algorithm, Context, Row, Sgd, assemble
from fedkd.clients import Full, MemoryStore
from fedkd.clocks import Clock, Instant, NoDeadline
from fedkd.data import Split
from fedkd.evaluation import Evaluation
from fedkd.executors import InProcess, Worker
from fedkd.executors.workshop import Workshop
from fedkd.federation import Federation
from fedkd.links import Difference, ErrorFeedback, Link, NoMemory, Shift
from fedkd.tasks import LeastSquares, client_weights
from fedkd.tasks.convex_learner import ConvexLearner, objective
from fedkd.trainers import Gradient, Serial
from fedkd_compression import DeadZone, Identity, Sign, SubtractiveDither

SEED, RUN, CLIENTS, DIM, SAMPLES = 7, 99, 5, 8, 12
STEP_SIZE = 0.3
RATE = 0.4

SHIFT = Shift(rate=RATE, start="zero")
WHOLE = Shift(rate=1.0, start="zero")
DITHER = SubtractiveDither(step=1.0)
ZONE = DeadZone(step=1.0, threshold=0.55)
CLOCK = Clock(Instant(), NoDeadline())
STRICT = Admission("fail", None, 1.0)
FULL_BATCH = Serial(epochs=1, batch_size=0, batches=0, fused="auto")

ROWS = {
    "sgd": ("model", "all", Link(Identity(), NoMemory()), Link(Identity(), NoMemory())),
    "qsgd": ("model", "all", Link(DITHER, NoMemory()), Link(Identity(), NoMemory())),
    "diana": ("model", "all", Link(DITHER, SHIFT), Link(Identity(), NoMemory())),
    "biqsgd": ("step", "all", Link(DITHER, NoMemory()), Link(DITHER, NoMemory())),
    "artemis": ("step", "all", Link(DITHER, SHIFT), Link(DITHER, NoMemory())),
    "doublesqueeze": ("step", "all", Link(DITHER, ErrorFeedback(1.0)), Link(DITHER, ErrorFeedback(1.0))),
    "dore": ("step", "all", Link(DITHER, SHIFT), Link(DITHER, ErrorFeedback(0.8))),
    "mcm": ("model", "all", Link(DITHER, SHIFT), Link(DITHER, SHIFT)),
    "rand_mcm": ("model", "each", Link(DITHER, SHIFT), Link(DITHER, SHIFT)),
    "ef21": ("model", "all", Link(ZONE, WHOLE), Link(Identity(), NoMemory())),
    "ef21_bc": ("model", "all", Link(ZONE, WHOLE), Link(ZONE, WHOLE)),
    "ef21_p_diana": ("model", "all", Link(DITHER, SHIFT), Link(ZONE, WHOLE)),
    "marina_p": ("model", "each", Link(Identity(), NoMemory()), Link(DITHER, Difference(0.25))),
    "dist_ef_sgd": ("step", "all", Link(Sign(), ErrorFeedback(1.0)), Link(Sign(), ErrorFeedback(1.0))),
}


def data(dim: int = DIM, samples: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
    """x [clients, samples, dim] and y [clients, samples]; every client has its own optimum."""
    generator = np.random.default_rng(3)
    x = generator.standard_normal((CLIENTS, samples, dim)) * np.geomspace(0.6, 1, dim)
    w = generator.standard_normal((CLIENTS, dim)) + 1
    return x, np.einsum("nsd,nd->ns", x, w)


@dataclass(frozen=True)
class Case:
    """What a federation of this problem may vary.

    ``forced`` is a downlink past all checks, for what a configuration refuses; ``downlink_end`` another class of it.
    """

    row: str = "sgd"
    estimator: str = "PP2"
    weights: str = "uniform"
    participation: object = Full()
    solver: object = Gradient()
    trainer: Serial = FULL_BATCH
    server: object = Sgd(STEP_SIZE)
    uplink: Link | None = None
    downlink: Link | None = None
    workers: int = 1
    reduces: bool = False
    seed: int = SEED
    dim: int = DIM
    samples: int = SAMPLES
    volatile: bool = False
    forced: Link | None = None
    downlink_end: type | None = None
    admission: Admission = STRICT
    clock: Clock = CLOCK

    def but(self, **changes):
        return replace(self, **changes)


def altered(algorithm: Algorithm, case: Case) -> Algorithm:
    """The algorithm with what only a test would do to its downlink."""
    end = algorithm.downlink
    kind = case.downlink_end or type(end)
    return replace(algorithm, downlink=kind(case.forced or end.link, end.seed, end.run, end.dim))


def federation(case: Case) -> tuple[Federation, torch.Tensor]:
    """The federation and its initial model."""
    x, y = data(case.dim, case.samples)
    train = Split(torch.from_numpy(x.reshape(-1, case.dim)), torch.from_numpy(y.reshape(-1)))
    parts = [np.arange(case.samples) + client * case.samples for client in range(CLIENTS)]
    task = LeastSquares(l2=0.0)
    learner = ConvexLearner(task, objective(task, train, client_weights(parts, len(train))))
    compresses, sent_to, uplink, downlink = ROWS[case.row]
    row = Row(case.row, compresses, sent_to, case.estimator, case.weights)
    probability = case.participation.probability(CLIENTS)
    context = Context(case.seed, RUN, case.dim, (case.samples,) * CLIENTS, probability, case.volatile)
    algorithm = assemble(row, case.uplink or uplink, case.downlink or downlink, case.server, context)
    algorithm = altered(algorithm, case)
    uplink = algorithm.uplink
    shop = Workshop(learner, case.trainer, case.solver, train, train, parts, None, uplink.link, case.seed, RUN)
    shop = replace(shop, gate=case.admission.gate, tolerant=case.admission.tolerant)
    adder = uplink if case.reduces else None
    executor = InProcess([Worker(shop, algorithm.receiver(), MemoryStore(), adder) for _ in range(case.workers)])
    evaluation = Evaluation(task.metrics, every=1, rounds=10**9)
    samples, zero = [case.samples] * CLIENTS, torch.zeros(case.dim, dtype=torch.float64)
    rules = case.admission, samples, samples, case.clock, case.volatile
    return Federation(algorithm, case.participation, executor, evaluation, case.seed, RUN, *rules), zero
