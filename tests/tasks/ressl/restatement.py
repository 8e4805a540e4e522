"""ReSSL once more, in NumPy alone: forward and backward by hand for a perceptron with BatchNorm.

The network is Linear, BatchNorm, ReLU, Linear (the features), and a projector Linear, ReLU, Linear. A parameter vector
has, layer by layer, weights [outputs, inputs] and then biases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
EPSILON = 1e-5
WIDTHS = {"first": (8, 6), "second": (6, 5), "third": (5, 7), "fourth": (7, 4)}
LAYERS = (("first", "linear"), ("norm", "norm"), ("second", "linear"), ("third", "linear"), ("fourth", "linear"))


def parts(vector: Array) -> dict[str, tuple[Array, Array]]:
    """Weights and biases of every layer."""
    found, start = {}, 0
    for name, kind in LAYERS:
        inputs, outputs = (1, 6) if kind == "norm" else WIDTHS[name]
        size = outputs * inputs
        weight = vector[start : start + size]
        bias = vector[start + size : start + size + outputs]
        found[name] = (weight if kind == "norm" else weight.reshape(outputs, inputs), bias)
        start += size + outputs
    assert start == len(vector)
    return found


class Pass(NamedTuple):
    inputs: dict[str, Array]
    standard: Array
    deviation: Array
    outputs: Array


def forward(vector: Array, x: Array) -> Pass:
    """All that backward needs; the batch's own mean and biased variance."""
    layers = parts(vector)
    inputs: dict[str, Array] = {"first": x}
    a = x @ layers["first"][0].T + layers["first"][1]
    deviation = np.sqrt(((a - a.mean(0)) ** 2).mean(0) + EPSILON)
    standard = (a - a.mean(0)) / deviation
    inputs["second"] = np.maximum(standard * layers["norm"][0] + layers["norm"][1], 0)
    inputs["third"] = inputs["second"] @ layers["second"][0].T + layers["second"][1]
    inputs["fourth"] = np.maximum(inputs["third"] @ layers["third"][0].T + layers["third"][1], 0)
    outputs = inputs["fourth"] @ layers["fourth"][0].T + layers["fourth"][1]
    return Pass(inputs, standard, deviation, outputs)


def backward(vector: Array, seen: Pass, slope: Array) -> Array:
    """The gradient [p] from that in the outputs."""
    layers, gradients = parts(vector), dict[str, tuple[Array, Array]]()

    def linear(name: str, g: Array) -> Array:
        gradients[name] = (g.T @ seen.inputs[name], g.sum(0))
        return g @ layers[name][0]

    g = linear("fourth", slope) * (seen.inputs["fourth"] > 0)
    g = linear("second", linear("third", g)) * (seen.inputs["second"] > 0)
    gradients["norm"] = ((g * seen.standard).sum(0), g.sum(0))
    g = g * layers["norm"][0]
    g = (g - g.mean(0) - seen.standard * (g * seen.standard).mean(0)) / seen.deviation
    linear("first", g)
    return np.concatenate([part.ravel() for name, _ in LAYERS for part in gradients[name]])


def unit(y: Array) -> Array:
    return y / np.linalg.norm(y, axis=-1, keepdims=True)


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@dataclass
class Restated:
    """One client: student, teacher, queue; a step at a time."""

    student: Array
    teacher: Array
    queue: Array
    rate: float
    momentum: float
    tau_student: float
    tau_teacher: float
    place: int = 0
    losses: list[float] = field(default_factory=list)
    gradients: list[Array] = field(default_factory=list)

    def step(self, weak: Array, contrastive: Array) -> None:
        """Views [n, 8] and [v n, 8]; the teacher moves first, the queue last."""
        self.teacher = self.momentum * self.teacher + (1 - self.momentum) * self.student
        z_t = unit(forward(self.teacher, weak).outputs)
        target = softmax(z_t @ self.queue.T / self.tau_teacher)
        target = np.concatenate([target] * (len(contrastive) // len(weak)))
        seen = forward(self.student, contrastive)
        length = np.linalg.norm(seen.outputs, axis=1, keepdims=True)
        z_s = seen.outputs / length
        answer = softmax(z_s @ self.queue.T / self.tau_student)
        self.losses.append(float(-(target * np.log(answer)).sum(1).mean()))
        along = (answer - target) @ self.queue / self.tau_student / len(contrastive)
        # The Jacobian of y / |y| is (I - z z^T) / |y|.
        slope = np.stack([(np.eye(len(z)) - np.outer(z, z)) @ g for z, g in zip(z_s, along, strict=True)]) / length
        self.gradients.append(backward(self.student, seen, slope))
        self.student = self.student - self.rate * self.gradients[-1]
        for z in z_t:
            self.queue[self.place] = z
            self.place = (self.place + 1) % len(self.queue)
