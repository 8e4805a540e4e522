"""A teacher for every client, trained on the client's own samples, then frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fedkd.models.base import Model
from fedkd.tasks.teachers.base import FittedTeacher, Teacher, require_classes
from fedkd.tasks.teachers.training import Recipe, measured_accuracy, pinned_threads, predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from torch import Tensor

    from fedkd.data.dataset import Dataset
    from fedkd.tasks.teachers.lesson import Lesson
    from fedkd_compression.keys import Key

TEST_SAMPLES = 1000


@dataclass(frozen=True)
class Local(Teacher):
    """A teacher a client, which sees that client's samples alone; trained when the client is first used.

    Adam on the cross-entropy; the rate falls linearly to zero.

    Args:
        model: The teachers' network.
        epochs: Passes over a client's samples, >= 1.
        batch_size: Samples a step, >= 1.
        learning_rate: Rate of the first step, > 0.
        threads: Torch threads while one trains and answers; a part of the result.
    """

    model: Model
    epochs: int
    batch_size: int
    learning_rate: float
    threads: int

    learns = "with clients"

    def __post_init__(self) -> None:
        self._recipe()

    def fit(self, data: Dataset, parts: Sequence[np.ndarray], key: Key, lesson: Lesson | None = None) -> FittedTeacher:
        """Nothing is trained yet: see ``FittedLocal.logits``.

        Raises:
            ConfigurationError: the data has no classes.
        """
        require_classes("Local", data)
        return FittedLocal(self._recipe(), data, parts, key)

    def _recipe(self) -> Recipe:
        return Recipe("Local", self.model, self.epochs, self.batch_size, self.learning_rate, self.threads)


@dataclass(frozen=True)
class FittedLocal(FittedTeacher):
    """The clients' teachers; each is a function of (key, client): the order of use does not matter."""

    recipe: Recipe
    data: Dataset
    parts: Sequence[np.ndarray]
    key: Key
    tables: dict[int, Tensor] = field(default_factory=dict)
    accuracies: dict[int, dict[str, float]] = field(default_factory=dict)

    def logits(self, client: int, received: torch.nn.Module) -> Tensor:
        """The client's logits; the first call trains its teacher.

        Raises:
            ConfigurationError: the training diverged.
        """
        if client not in self.tables:
            self._train(client)
        return self.tables[client]

    def summary(self) -> dict[str, float]:
        """How many teachers were trained here, and their mean accuracy on up to 1,000 test samples."""
        trained = sorted(self.accuracies)
        facts = {"teachers_trained": float(len(trained))}
        for name in sorted({name for client in trained for name in self.accuracies[client]}):
            # Summed in the order of the clients, not of their training.
            facts[name] = sum(self.accuracies[client][name] for client in trained) / len(trained)
        return facts

    def _train(self, client: int) -> None:
        own = self.data.train.take(self.parts[client])
        network = self.recipe.train(own, self.data.classes, self.key.fold("client", client))
        with pinned_threads(self.recipe.threads):
            self.accuracies[client] = measured_accuracy(network, self.data.test, TEST_SAMPLES)
            self.tables[client] = predict(network, own.x)
