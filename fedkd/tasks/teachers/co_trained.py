"""A teacher that learns beside the student, on the same batches, and stays with its client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedkd.models.base import Model
from fedkd.tasks.teachers.base import Teacher, require_classes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from fedkd.data.dataset import Dataset
    from fedkd.tasks.teachers.lesson import Lesson
    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class CoTrained(Teacher):
    """One network a client, trained with the student by the same task and solver; in a batch each teaches the other.

    Its parameters begin at random numbers of the client's own, are kept on the client between rounds, and never enter a
    channel. There are no logits before a batch: see ``fedkd.tasks.co_trained_learner``.

    Args:
        model: The teachers' network.
    """

    model: Model

    learns = "beside"

    def fit(self, data: Dataset, parts: Sequence[np.ndarray], key: Key, lesson: Lesson | None = None) -> None:
        """Nothing to make ready.

        Raises:
            ConfigurationError: the data has no classes.
        """
        require_classes("CoTrained", data)
