"""What clients' own teachers answer, kept in files: a client that comes to another worker finds it there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedkd import vectors
from fedkd.durable import explained, temporary
from fedkd.errors import ConfigurationError
from fedkd.tasks.teachers.base import FittedTeacher
from fedkd_compression import WireError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Shelf(FittedTeacher):
    """A teacher that learns with each client, asked once for a client, by whichever worker comes first.

    Two workers that ask at the same time write the same bytes.

    Args:
        folder: of the files, one a client; made when the first is written.
        parts: indices of every client's training samples.
        classes: answers to a sample.
    """

    teacher: FittedTeacher
    folder: Path
    parts: Sequence[np.ndarray]
    classes: int

    def logits(self, client: int, received: torch.nn.Module) -> Tensor:
        """The client's answers [n_client, classes], from its file if there is one.

        Raises:
            ConfigurationError: the file is damaged.
            StorageError: it cannot be written.
        """
        path = self.folder / f"{client:06d}.logits"
        if not path.is_file():
            logits = self.teacher.logits(client, received)
            self._keep(path, vectors.pack(logits.cpu().reshape(-1)))
            return logits
        size = len(self.parts[client])
        try:
            table = vectors.unpack(path.read_bytes(), size * self.classes)
        except WireError:
            raise ConfigurationError(f"{path}: is damaged; delete it, and the teacher learns again") from None
        return table.reshape(size, self.classes)

    def summary(self) -> dict[str, float]:
        """The teacher's."""
        return self.teacher.summary()

    def _keep(self, path: Path, data: bytes) -> None:
        """Appear in one step; what a crash loses is learned again."""
        with explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with temporary(path.with_name(f"{path.name}.{os.getpid()}.tmp")) as new:
                new.write_bytes(data)
                new.replace(path)
