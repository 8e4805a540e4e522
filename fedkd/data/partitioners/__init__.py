"""Partitioners: which client holds which training samples, with flwr-datasets' names."""

from __future__ import annotations

from fedkd.data.partitioners.base import Partitioner, label_counts
from fedkd.data.partitioners.dirichlet import Dirichlet
from fedkd.data.partitioners.iid import Iid
from fedkd.data.partitioners.linear import Linear
from fedkd.data.partitioners.natural_id import NaturalId
from fedkd.data.partitioners.pathological import Pathological
from fedkd.data.partitioners.shard import Shard

__all__ = [
    "Dirichlet",
    "Iid",
    "Linear",
    "NaturalId",
    "Partitioner",
    "Pathological",
    "Shard",
    "label_counts",
]
