"""The mean of the last global models as teacher (FedGKD)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from fedkd.beside import Beside, BesideState
from fedkd.tasks.checks import require_at_least
from fedkd.tasks.teachers.base import FittedTeacher, Teacher, require_classes
from fedkd.tasks.teachers.training import predict
from fedkd.vectors import unflatten

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import Tensor

    from fedkd.data.dataset import Dataset, Split
    from fedkd.tasks.teachers.lesson import Lesson
    from fedkd_compression.keys import Key


@dataclass(frozen=True)
class PastModels(Teacher):
    """The mean of the server's last models, the newest among them, sent with every round beside the model itself.

    Source: Yao et al., FedGKD (2021). It moves less from round to round than the model does, and pulls clients with
    other data towards what they have had in common. It costs a second, uncompressed model on the downlink.

    Args:
        models: How many, >= 1; before there are so many, those that there are. With 1 it is the server's own model,
            uncompressed.
    """

    models: int

    learns = "never"

    def __post_init__(self) -> None:
        require_at_least("PastModels", "models", self.models, 1)

    def fit(self, data: Dataset, parts: Sequence[np.ndarray], key: Key, lesson: Lesson | None = None) -> FittedTeacher:
        """Nothing to train.

        Raises:
            ConfigurationError: the data has no classes.
        """
        require_classes("PastModels", data)
        return FittedPastModels(data.train, parts, None)

    def beside(self, dim: int, classes: int) -> Beside:
        """The mean goes down."""
        return MeanOfModels(self.models, dim)


@dataclass(frozen=True)
class MeanOfModels(Beside):
    """v = (w_k + w_{k-1} + ... ) / m of the last m models; the server keeps them.

    Args:
        models: m at most.
        dim: d.
    """

    models: int
    dim: int

    @property
    def up(self) -> int:
        """Nothing."""
        return 0

    @property
    def down(self) -> int:
        """A model."""
        return self.dim

    def start(self, model: Tensor) -> BesideState:
        """The initial model alone."""
        return {"models": model[None]}

    def tell(self, state: BesideState) -> Tensor:
        """The mean, rounded once."""
        models = state["models"]
        return models.double().mean(0).to(models.dtype)

    def after(self, state: BesideState, model: Tensor, total: Tensor | None) -> BesideState:
        """With the new model; without the oldest where there are too many."""
        return {"models": torch.cat((state["models"], model[None]))[-self.models :]}


@dataclass(frozen=True)
class FittedPastModels(FittedTeacher):
    """Answers with the mean that came beside the model; before any came, with the received model."""

    samples: Split
    parts: Sequence[np.ndarray]
    mean: Tensor | None

    def told(self, vector: Tensor) -> FittedPastModels:
        """With the mean of this round."""
        return replace(self, mean=vector)

    def logits(self, client: int, received: torch.nn.Module) -> Tensor:
        """The mean's logits; the received module carries it, and holds it afterwards."""
        if self.mean is not None:
            unflatten(received, self.mean)
        return predict(received, self.samples.x[torch.as_tensor(self.parts[client])])

    def summary(self) -> dict[str, float]:
        """Empty: there is nothing to say before the run."""
        return {}
