"""What a teacher is: a configuration that is fitted once, and then answers for the samples of a client."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch

from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import Tensor

    from fedkd.beside import Beside
    from fedkd.data.dataset import Dataset
    from fedkd.tasks.teachers.lesson import Lesson
    from fedkd_compression.keys import Key


class FittedTeacher(ABC):
    """A teacher that is ready to answer. Its network and its logits never enter a message."""

    def told(self, vector: Tensor) -> FittedTeacher:
        """The teacher that has heard what came beside the model, by the rule of ``Teacher.beside``."""
        return self

    @abstractmethod
    def logits(self, client: int, received: torch.nn.Module) -> Tensor:
        """Teacher logits [n_client, classes] of a client's samples, in the order of its part.

        Args:
            client: Whose samples.
            received: The model that the client has just received from the server; what is left of it is not used.
        """

    @abstractmethod
    def summary(self) -> dict[str, float]:
        """What the manifest says about the teacher; empty when there is nothing to say."""


class Teacher(ABC):
    """Where teacher logits come from: a frozen value without state."""

    learns: ClassVar[Literal["before", "with clients", "beside", "never"]]
    """When it trains: before the first round, once for all clients (``learn``); with a client's first round; with the
    student, batch by batch; never."""

    def learn(self, data: Dataset, key: Key) -> Lesson | None:
        """Train on data.public; a function of the data and the key alone. None: nothing is learned beforehand.

        Raises:
            ConfigurationError: the data cannot serve this teacher, or the training diverged.
        """
        return None

    def beside(self, dim: int, classes: int) -> Beside | None:
        """What must travel beside the model [dim] for this teacher; None: nothing."""
        return None

    @abstractmethod
    def fit(
        self, data: Dataset, parts: Sequence[np.ndarray], key: Key, lesson: Lesson | None = None
    ) -> FittedTeacher | None:
        """Make the teacher ready; one that learns before does it now, unless it is given its lesson.

        None: it has no answers before a batch is there, since it learns beside the student.

        Args:
            data: The data set with its public samples and its test split, on the device of the clients.
            parts: Indices of every client's training samples.
            key: The stream of the teacher; equal keys give equal teachers.
            lesson: What ``learn`` gave for the same data and key.

        Raises:
            ConfigurationError: the data cannot serve this teacher.
        """


@dataclass(frozen=True)
class CachedLogits(FittedTeacher):
    """Logits of all training samples, held by sample number: what a frozen teacher comes down to.

    Args:
        table: Logits [n_train, classes].
        parts: Indices of every client's training samples.
        facts: The summary.
    """

    table: Tensor
    parts: Sequence[np.ndarray]
    facts: dict[str, float]

    def logits(self, client: int, received: torch.nn.Module) -> Tensor:
        """The client's rows of the table."""
        return self.table[torch.as_tensor(self.parts[client], device=self.table.device)]

    def summary(self) -> dict[str, float]:
        """The facts given at construction."""
        return dict(self.facts)


def require_classes(owner: str, data: Dataset) -> None:
    """Refuse data without classes: a teacher answers with one logit a class."""
    if data.classes < 2:
        raise ConfigurationError(
            f"{owner}: data {data.name!r} has {data.classes} classes, needs 2; choose data with classes"
        )
