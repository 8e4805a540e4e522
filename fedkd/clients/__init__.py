"""Clients: who takes part, and what each remembers between rounds."""

from fedkd.clients.participation import Bernoulli, FixedCohort, Full, Participation
from fedkd.clients.samples import ClientSamples
from fedkd.clients.store import ClientState, ClientStore

__all__ = ["Bernoulli", "ClientSamples", "ClientState", "ClientStore", "FixedCohort", "Full", "Participation"]
