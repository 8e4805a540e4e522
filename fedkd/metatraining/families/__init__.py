"""Families of tasks: networks on images and signals, noisy quadratics, federated rounds."""

from fedkd.metatraining.families.base import Family, Start
from fedkd.metatraining.families.catalogue import FAMILIES, family_of
from fedkd.metatraining.families.federated import Federated, Rounds
from fedkd.metatraining.families.networks import Networks
from fedkd.metatraining.families.quadratics import Quadratics

__all__ = ["FAMILIES", "Family", "Federated", "Networks", "Quadratics", "Rounds", "Start", "family_of"]
