"""Models: small networks with GroupNorm, initialised from a key."""

from __future__ import annotations

from fedkd.models.base import Model, parameters
from fedkd.models.cnn import Cnn, FedAvgCnn
from fedkd.models.linear import Linear
from fedkd.models.mlp import Mlp
from fedkd.models.resnet import ResNet

__all__ = ["Cnn", "FedAvgCnn", "Linear", "Mlp", "Model", "ResNet", "parameters"]
