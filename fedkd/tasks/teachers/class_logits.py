"""What the clients' models answer to each class on average, as teacher (FedDistill+)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from fedkd.beside import Beside, BesideState
from fedkd.tasks.targets import label_mask
from fedkd.tasks.teachers.base import FittedTeacher, Teacher, require_classes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import Tensor

    from fedkd.data.dataset import Dataset
    from fedkd.tasks.base import Batch
    from fedkd.tasks.teachers.lesson import Lesson
    from fedkd_compression.keys import Key

CERTAIN = 1e4
"""A logit beside which others are nothing, at every temperature that is used."""


@dataclass(frozen=True)
class ClassLogits(Teacher):
    """To a sample of class c: the mean logits that all clients' models gave to samples of class c.

    Source: Jeong et al., federated distillation (2018); with the model sent too it is known as FedDistill+. Of its last
    local epoch every client sends, for each class, the sum of its logits and the number of its samples: C (C + 1)
    numbers. The server adds them, and their means go down with the next round. A class that nobody has had yet is
    answered with the label itself, so that the first round learns from labels alone.
    """

    learns = "never"

    def fit(self, data: Dataset, parts: Sequence[np.ndarray], key: Key, lesson: Lesson | None = None) -> FittedTeacher:
        """Nothing to train.

        Raises:
            ConfigurationError: the data has no classes.
        """
        require_classes("ClassLogits", data)
        nothing = torch.zeros(data.classes * (data.classes + 1), device=data.train.y.device)
        return FittedClassLogits(data.train.y, parts, data.classes).told(nothing)

    def beside(self, dim: int, classes: int) -> Beside:
        """Sums go up, means go down."""
        return MeansOfClasses(classes)


@dataclass(frozen=True)
class MeansOfClasses(Beside):
    """v = (means [C, C], counts [C]) from u_i = (sums [C, C], counts [C]), row c of samples of class c.

    A class that no client had in a round keeps its last mean.
    """

    classes: int

    @property
    def up(self) -> int:
        """C (C + 1)."""
        return self.classes * (self.classes + 1)

    @property
    def down(self) -> int:
        """C (C + 1)."""
        return self.up

    def start(self, model: Tensor) -> BesideState:
        """Nothing is known of any class."""
        return {"means": torch.zeros(self.classes, self.classes), "counts": torch.zeros(self.classes)}

    def tell(self, state: BesideState) -> Tensor | None:
        """Means and counts, once there are some."""
        if not state["counts"].any():
            return None
        return torch.cat((state["means"].flatten(), state["counts"]))

    def after(self, state: BesideState, model: Tensor, total: Tensor | None) -> BesideState:
        """The means of the classes that came."""
        if total is None:
            return state
        sums, counts = split(total, self.classes)
        came = counts > 0
        means = torch.where(came[:, None], sums / counts.clamp(min=1)[:, None], state["means"])
        return {"means": means.float(), "counts": torch.where(came, counts, state["counts"]).float()}

    def gather(self, outputs: Tensor, seen: Batch) -> Tensor:
        """Sums of outputs [n, C] and numbers of samples, by class."""
        member = label_mask(seen.y, self.classes).to(outputs.dtype)
        return torch.cat(((member.T @ outputs).flatten(), member.sum(0)))


@dataclass(frozen=True)
class FittedClassLogits(FittedTeacher):
    """Answers by looking up the label.

    Args:
        labels: of all training samples.
        parts: Indices of every client's training samples.
        classes: C.
        table: Logits to every class [C, C].
    """

    labels: Tensor
    parts: Sequence[np.ndarray]
    classes: int
    table: Tensor | None = None

    def told(self, vector: Tensor) -> FittedClassLogits:
        """With the means of this round, and the label itself where there are none."""
        means, counts = split(vector.to(self.labels.device), self.classes)
        label = CERTAIN * torch.eye(self.classes, dtype=means.dtype, device=means.device)
        return replace(self, table=torch.where(counts[:, None] > 0, means, label))

    def logits(self, client: int, received: torch.nn.Module) -> Tensor:
        """The rows of the samples' labels."""
        assert self.table is not None, "it begins with one"
        part = torch.as_tensor(self.parts[client], device=self.labels.device)
        return self.table[self.labels[part]]

    def summary(self) -> dict[str, float]:
        """Empty: there is nothing to say before the run."""
        return {}


def split(vector: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """A table [C, C] and counts [C] from one vector [C (C + 1)]."""
    return vector[: classes * classes].view(classes, classes), vector[classes * classes :]
