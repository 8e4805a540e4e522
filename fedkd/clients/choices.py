"""Which store: a configured value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from fedkd.clients.folder_store import FolderStore
from fedkd.clients.memory_store import MemoryStore
from fedkd.clients.stores import Store

if TYPE_CHECKING:
    import torch

FOLDER = "clients"
"""Of a run's folder: where its clients' states are."""


class StoreChoice(ABC):
    """Where workers keep client states."""

    shared: ClassVar[bool]
    """Whether any worker of a host can read any client's state."""

    @abstractmethod
    def open(self, folder: Path, dim: int, dtype: torch.dtype, task: int, checkpoints: int) -> Store:
        """The store of one worker.

        Args:
            folder: of the run.
            dim: d.
            dtype: of every vector.
            task: the length of what the task keeps.
            checkpoints: that are kept, at most.
        """


@dataclass(frozen=True)
class Memory(StoreChoice):
    """In the memory of the worker that trains the client, and in every checkpoint."""

    shared = False

    def open(self, folder: Path, dim: int, dtype: torch.dtype, task: int, checkpoints: int) -> Store:
        """An empty store."""
        return MemoryStore()


@dataclass(frozen=True)
class Folder(StoreChoice):
    """In files of the run's folder; resident memory does not grow with the number of clients."""

    shared = True

    def open(self, folder: Path, dim: int, dtype: torch.dtype, task: int, checkpoints: int) -> Store:
        """The store in the run's folder."""
        return FolderStore(folder / FOLDER, dim, dtype, task, checkpoints)
