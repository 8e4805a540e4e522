"""Where each tensor of a checkpoint is kept: in its own file, or in that of an older one that holds it already."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, NamedTuple

import torch

from fedkd_compression import checksum

if TYPE_CHECKING:
    from torch import Tensor


class Place(NamedTuple):
    """Where a tensor is kept."""

    file: str
    name: str
    checksum: int
    size: int

    @property
    def word(self) -> str:
        """As the JSON names it."""
        return f"{self.file}/{self.name}/{self.checksum:x}/{self.size}"

    @staticmethod
    def of(word: str) -> Place:
        """Read it."""
        file, name, found, size = word.split("/")
        return Place(file, name, int(found, 16), int(size))


Places = dict[int, tuple["weakref.ref[Tensor]", int, Place]]
"""By the id of a tensor: itself, how often it was written to, and where it is kept."""


class Shelf:
    """Gives every tensor of a state its place: where it is already, or in a new file."""

    def __init__(self, file: str, known: Places) -> None:
        self.fresh: dict[str, Tensor] = {}
        self.places: Places = {}
        self._file, self._known = file, known

    def keep(self, tensor: Tensor) -> str:
        """The word for a tensor's place."""
        place = place_of(self.places, tensor) or place_of(self._known, tensor)
        if place is None:
            data = raw(tensor)
            place = Place(self._file, str(len(self.fresh)), checksum(data), len(data))
            self.fresh[place.name] = tensor
        self.note(tensor, place)
        return place.word

    def note(self, tensor: Tensor, place: Place) -> None:
        """Remember where a tensor is, as long as it is neither gone nor written to."""
        self.places[id(tensor)] = (weakref.ref(tensor), tensor._version, place)


def place_of(places: Places, tensor: Tensor) -> Place | None:
    """Where a tensor is, if it has a place and has not been written to since."""
    reference, version, place = places.get(id(tensor), (None, 0, None))
    return place if reference is not None and reference() is tensor and version == tensor._version else None


def raw(tensor: Tensor) -> memoryview:
    """The bytes of a tensor on the CPU."""
    if not tensor.numel():
        return memoryview(b"")
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data
