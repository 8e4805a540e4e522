"""Models: small networks, initialised from a key."""

from __future__ import annotations

from fedkd.models.base import Model, parameters
from fedkd.models.cnn import Cnn
from fedkd.models.linear import Linear
from fedkd.models.mlp import Mlp
from fedkd.models.modes import evaluating
from fedkd.models.plain_cnn import PlainCnn
from fedkd.models.projected import Projected
from fedkd.models.resnet import ResNet

__all__ = ["Cnn", "Linear", "Mlp", "Model", "PlainCnn", "Projected", "ResNet", "evaluating", "parameters"]
