"""How good a client's own network is: probes that take milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedkd.probes.classifiers import few_shot, neighbours

if TYPE_CHECKING:
    from fedkd.data import Split
    from fedkd.probes import Probes
    from fedkd.tasks.ressl.learner import RelationalLearner
    from fedkd_compression import Key


@dataclass(frozen=True)
class Quality:
    """Accuracies of features on samples that no client trains on; their labels serve for this alone.

    Args:
        probes: gives episodes and neighbours.
        reference: whose labels the probes are given.
        test: what they classify.
        key: of the evaluation: the numbers are those that ``probes`` itself would give.
    """

    probes: Probes
    reference: Split
    test: Split
    key: Key

    def on(self, device: str) -> Quality:
        """With its samples on a device."""
        return Quality(self.probes, self.reference.on(device), self.test.on(device), self.key)

    def of(self, student: RelationalLearner) -> tuple[float, float]:
        """Of prototypes of one labelled sample a class, and of the nearest neighbours; 0 where features diverged."""
        # Of scikit-learn's own requirements; more threads are slower here, and their sums are others.
        from threadpoolctl import threadpool_limits

        vector = student.vector
        known, queries = (student.features(vector, split) for split in (self.reference, self.test))
        if not (known.finite and queries.finite):
            return 0.0, 0.0
        with threadpool_limits(1, user_api="blas"):
            shots = few_shot(known, queries, 1, self.probes.episodes, self.key.fold("shots", 1))
            return float(shots.mean()), neighbours(known, queries, self.probes.neighbours)
