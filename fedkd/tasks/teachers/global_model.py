"""The global model as teacher: what a client receives teaches what it trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedkd.tasks.teachers.base import FittedTeacher, Teacher, require_classes
from fedkd.tasks.teachers.training import predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import Tensor

    from fedkd.data.dataset import Dataset, Split
    from fedkd.tasks.teachers.lesson import Lesson
    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class GlobalModel(Teacher):
    """The received global model, asked anew every round: it keeps a client from forgetting what others know.

    In the first rounds it knows nothing yet: the diagnostics then show an entropy near log C.
    """

    learns = "never"

    def fit(self, data: Dataset, parts: Sequence[np.ndarray], key: Key, lesson: Lesson | None = None) -> FittedTeacher:
        """Nothing to train.

        Raises:
            ConfigurationError: the data has no classes.
        """
        require_classes("GlobalModel", data)
        return FittedGlobalModel(data.train, parts)


@dataclass(frozen=True)
class FittedGlobalModel(FittedTeacher):
    """Answers with the model that the client received; keeps nothing from round to round."""

    samples: Split
    parts: Sequence[np.ndarray]

    def logits(self, client: int, received: torch.nn.Module) -> Tensor:
        """The received model's logits, before the client trains it."""
        return predict(received, self.samples.x[torch.as_tensor(self.parts[client])])

    def summary(self) -> dict[str, float]:
        """Empty: the received model is reported by the rounds themselves."""
        return {}
