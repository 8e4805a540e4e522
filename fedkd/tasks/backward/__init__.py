"""How the gradients of a batch are computed: by autograd, or layer by layer with each layer's step."""

from fedkd.tasks.backward.autograd import Autograd
from fedkd.tasks.backward.backward import Backward, Descending, Fused, Network, Slope
from fedkd.tasks.backward.stack import Stack

__all__ = ["Autograd", "Backward", "Descending", "Fused", "Network", "Slope", "Stack"]
