"""A teacher trained once on public samples, then frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedkd.errors import ConfigurationError
from fedkd.models.base import Model
from fedkd.tasks.teachers.base import CachedLogits, FittedTeacher, Teacher, require_classes
from fedkd.tasks.teachers.lesson import Lesson
from fedkd.tasks.teachers.training import Recipe, measured_accuracy, pinned_threads, predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from fedkd.data.dataset import Dataset
    from fedkd_compression.keys import Key

TEST_SAMPLES = 2000


@dataclass(frozen=True)
class Pretrained(Teacher):
    """One teacher for all clients, trained on samples that no client holds; its logits are computed once.

    Adam on the cross-entropy; the rate falls linearly to zero.

    Args:
        model: The teacher's network.
        epochs: Passes over the public samples, >= 1.
        batch_size: Samples a step, >= 1.
        learning_rate: Rate of the first step, > 0.
        threads: Torch threads while it trains and answers; a part of the result. More than one is faster on idle
            cores, and many times slower where other processes share them.
    """

    model: Model
    epochs: int
    batch_size: int
    learning_rate: float
    threads: int

    learns = "before"

    def __post_init__(self) -> None:
        self._recipe()

    def learn(self, data: Dataset, key: Key) -> Lesson:
        """Train on data.public and compute the logits of all training samples.

        The facts have the accuracy on up to 2,000 test samples.

        Raises:
            ConfigurationError: no public samples, no classes, or the training diverged.
        """
        require_classes("Pretrained", data)
        if len(data.public) == 0:
            raise ConfigurationError(
                f"Pretrained: {data.name!r} has 0 public samples; choose data.public > 0 or teacher=local"
            )
        network = self._recipe().train(data.public, data.classes, key)
        with pinned_threads(self.threads):
            return Lesson(predict(network, data.train.x), measured_accuracy(network, data.test, TEST_SAMPLES))

    def fit(self, data: Dataset, parts: Sequence[np.ndarray], key: Key, lesson: Lesson | None = None) -> FittedTeacher:
        """Hold the lesson ready.

        Raises:
            ConfigurationError: as ``learn``, where the lesson is not given.
        """
        learned = self.learn(data, key) if lesson is None else lesson
        return CachedLogits(learned.table.to(data.train.x.device), parts, learned.facts)

    def _recipe(self) -> Recipe:
        return Recipe("Pretrained", self.model, self.epochs, self.batch_size, self.learning_rate, self.threads)
