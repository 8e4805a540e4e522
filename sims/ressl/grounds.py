"""What is run: data, views and networks of every part, and in which settings the runs of a part differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedkd.compose import compose

if TYPE_CHECKING:
    from fedkd.records import History
    from sims.studies import Study

Overrides = tuple[str, ...]

COMMON = (
    *("task=ressl", "data.public=0", "executor=local", "recorder=quiet", "store=memory", "checkpoint_every=0"),
    *("algorithm=sgd", "uplink=identity", "downlink=identity"),
    *("task.queue_size=1024", "task.probes.episodes=100"),
)
DIGITS = (
    *("data=digits", "model.hidden=128", "model.trunk.hidden=128", "model.norm=batch"),
    # A mirrored digit is another one.
    *("task.views.flip=0", "task.views.weak_flip=0", "task.views.weak_scale=[0.5,1.0]"),
)
SGD = ("solver=sgd", "solver.learning_rate=0.05", "solver.momentum=0.9")
ADAM = ("solver=adam", "solver.learning_rate=0.004")
"""Its steps are bounded: on a last batch of two samples BatchNorm makes gradients of any size, and SGD may diverge."""
SHORT = ("trainer.epochs=100", "trainer.batch_size=32", "trainer.batches=10", *ADAM)
"""Ten steps of every client a round, however few samples it has."""
SKEWED = (*("clients=10", "partitioner=dirichlet", "partitioner.alpha=0.1", "rounds=60", "evaluate_every=20", *SHORT),)
"""As many steps of each client as ``CENTRAL``."""
EQUAL = ("rounds=27", "trainer.epochs=1", "trainer.batches=0", "evaluate_every=9", *SGD)
"""As many samples in all as ``CENTRAL``, in batches that small clients can fill."""
CENTRAL = (
    *("clients=1", "partitioner=iid", "rounds=30", "evaluate_every=10"),
    *("trainer.epochs=4", "trainer.batch_size=64", "trainer.batches=20"),
)
"""600 steps of 64 samples."""
FASHION = (
    *("data=fashion", "data.samples=10000", "data.test=2000", "data.public=500", "task.probes.at_most=10000"),
    # Clothes lie in the middle of their images: what is seen where tells as much as what is seen.
    *("model.trunk.channels=[16,32,64]", "model.trunk.hidden=0", "model.hidden=128", "model.norm=batch"),
)
TINY = (
    *("clients=4", "partitioner=dirichlet", "partitioner.min_partition_size=2", "data.samples=200", "data.test=60"),
    *("rounds=2", "evaluate_every=1", "trainer.epochs=1", "trainer.batches=2"),
    *("model.trunk.channels=[4]", "model.trunk.hidden=8", "model.hidden=8", "task.queue_size=64"),
    *("task.probes.episodes=5", "task.probes.draws=2", "task.probes.labels=2", "task.probes.neighbours=5"),
)


def norms(trunk: str, projector: str) -> Overrides:
    """How the two halves of the network are normalised."""
    return (f"model.trunk.norm={trunk}", f"model.norm={projector}")


PUBLISHED = "as published"
ABLATIONS: dict[str, Overrides] = {
    PUBLISHED: (),
    "equal temperatures": ("task.tau_teacher=0.1",),
    "strong view for the teacher": ("task.views.teacher=contrastive",),
    "no moving average": ("task.momentum=0",),
    "queue of 64": ("task.queue_size=64",),
    "queue of 256": ("task.queue_size=256",),
    "statistics of the batch alone": norms("local_batch", "local_batch"),
    "BatchNorm in the trunk alone": norms("batch", "none"),
    "GroupNorm, BatchNorm in the projector": norms("group", "batch"),
    "GroupNorm, none in the projector": norms("group", "none"),
    "GroupNorm": norms("group", "group"),
    "no normalisation": norms("none", "none"),
}
BEST = ("task.queue=anchors", "data.public=200")
IDENTITY = "shared anchors"
FEDERATED: dict[str, Overrides] = {
    IDENTITY: BEST,
    "anchors, teacher averaged": (*BEST, "task.teacher=average"),
    "anchors, teacher from the model": (*BEST, "task.teacher=from_global"),
    "anchors, mixing": (*BEST, "task.mixing=0.1"),
    "anchors, statistics stay": (*BEST, *norms("local_batch", "local_batch")),
    "queue kept": (),
    "queue reset": ("task.queue=reset",),
    "queue kept, mixing": ("task.mixing=0.1",),
    "queue kept, as many samples": EQUAL,
    "the same, Dirichlet 1000": (*EQUAL, "partitioner.alpha=1000"),
    "anchors, as many samples": (*BEST, *EQUAL),
}
LINKS: dict[str, Overrides] = {
    "MCM, r = 1": ("algorithm=mcm", "uplink=dither", "downlink=dither"),
}
WHOLE: dict[str, Overrides] = {PUBLISHED: SGD, "Adam": ADAM}
DIVISIONS: dict[str, Overrides] = {
    "one client": (
        *("clients=1", "partitioner=iid", "rounds=30", "evaluate_every=10"),
        *("trainer.epochs=2", "trainer.batch_size=64", "trainer.batches=200", *SGD),
    ),
    "20 clients alike": (
        *("clients=20", "partitioner=iid", "participation=fixed", "participation.size=4", "rounds=100"),
        *("evaluate_every=20", "trainer.epochs=4", "trainer.batch_size=64", "trainer.batches=24", *SGD),
        # One that stays with its client would be five rounds old.
        "task.teacher=from_global",
    ),
    "20 clients, Dirichlet .1": (
        *("clients=20", "partitioner=dirichlet", "partitioner.alpha=0.1", "task.queue=anchors", "rounds=80"),
        *("evaluate_every=20", *SHORT),
    ),
}


@dataclass(frozen=True)
class Ground:
    """What the runs of a part share.

    Args:
        study: where they are kept.
        seeds: of data, division, networks and batches; a run each.
        tiny: a few samples, two rounds.
    """

    study: Study
    seeds: tuple[int, ...]
    tiny: bool

    def runs(self, folder: str, shared: Overrides, changes: Overrides) -> tuple[History, ...]:
        """A run a seed, made now where it is missing; what is later among overrides holds."""
        given = (*COMMON, *shared, *changes, *(TINY if self.tiny else ()))
        return tuple(self.study.run(f"{folder}-{seed}", compose([*given, f"seed={seed}"])) for seed in self.seeds)
