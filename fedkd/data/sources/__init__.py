"""Sources: one file for each data set that a configuration can name."""

from __future__ import annotations

from fedkd.data.sources.digits import Digits
from fedkd.data.sources.fashion import Fashion
from fedkd.data.sources.folder import Folder
from fedkd.data.sources.held_out import HeldOut
from fedkd.data.sources.hierarchical import Hierarchical
from fedkd.data.sources.images import Images
from fedkd.data.sources.libsvm import Libsvm
from fedkd.data.sources.mnist5k import Mnist5k
from fedkd.data.sources.npz import Npz
from fedkd.data.sources.synthetic import SyntheticLeastSquares, SyntheticLogistic

__all__ = [
    "Digits",
    "Fashion",
    "Folder",
    "HeldOut",
    "Hierarchical",
    "Images",
    "Libsvm",
    "Mnist5k",
    "Npz",
    "SyntheticLeastSquares",
    "SyntheticLogistic",
]
