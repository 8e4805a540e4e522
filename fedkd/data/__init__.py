"""Data: sets, the sources that load them, and partitioners that deal training samples to clients."""

from __future__ import annotations

from fedkd.data.dataset import Dataset, Outline, Source, Split
from fedkd.data.partitioners import (
    Dirichlet,
    Iid,
    Linear,
    NaturalId,
    Partitioner,
    Pathological,
    Shard,
    label_counts,
)
from fedkd.data.sources import (
    Digits,
    Fashion,
    Folder,
    HeldOut,
    Hierarchical,
    Images,
    Libsvm,
    Mnist5k,
    Npz,
    SyntheticLeastSquares,
    SyntheticLogistic,
)

__all__ = [
    "Dataset",
    "Digits",
    "Dirichlet",
    "Fashion",
    "Folder",
    "HeldOut",
    "Hierarchical",
    "Iid",
    "Images",
    "Libsvm",
    "Linear",
    "Mnist5k",
    "NaturalId",
    "Npz",
    "Outline",
    "Partitioner",
    "Pathological",
    "Shard",
    "Source",
    "Split",
    "SyntheticLeastSquares",
    "SyntheticLogistic",
    "label_counts",
]
