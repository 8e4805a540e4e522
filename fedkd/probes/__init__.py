"""Probes: how good a network's features are, told by simple classifiers on them; the network itself stays as it is."""

from fedkd.probes.frozen import Features, features
from fedkd.probes.plane import embedding
from fedkd.probes.probes import Probes, Score

__all__ = ["Features", "Probes", "Score", "embedding", "features"]
