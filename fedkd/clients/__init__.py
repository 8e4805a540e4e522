"""Clients: who takes part, and what each remembers between rounds."""

from fedkd.clients.choices import Folder, Memory, StoreChoice
from fedkd.clients.folder_store import FolderStore
from fedkd.clients.memory_store import MemoryStore
from fedkd.clients.participation import Bernoulli, FixedCohort, Full, Participation
from fedkd.clients.residency import Evict, Residency, SkiRental
from fedkd.clients.samples import ClientSamples
from fedkd.clients.store import ClientState
from fedkd.clients.stores import Store

__all__ = [
    "Bernoulli",
    "ClientSamples",
    "ClientState",
    "Evict",
    "FixedCohort",
    "Folder",
    "FolderStore",
    "Full",
    "Memory",
    "MemoryStore",
    "Participation",
    "Residency",
    "SkiRental",
    "Store",
    "StoreChoice",
]
