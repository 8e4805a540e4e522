"""Relations: how samples lie to the keys of a queue, and what the student is taught of them.

M. Zheng et al., "ReSSL: Relational Self-Supervised Learning with Weak Augmentation", NeurIPS 2021 (arXiv 2107.09282):

    z = normalise(g(f(x)));  p_t = softmax(z_t Q^T / tau_t);  p_s = softmax(z_s Q^T / tau_s);  loss = mean CE(p_t, p_s)

All shapes may have the same dimensions before them: those of several models at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.base import Batch

SHORTEST = 1e-12
"""Outputs below this length are not stretched to length 1."""


class Sums(NamedTuple):
    """What a batch of n samples adds to a client's report; each is a sum over samples [...].

    Args:
        loss: cross-entropies, in nats, the mean over a sample's views.
        cosine: of every sample with the others of its batch, the mean.
        entropy: of the teacher's relations, as a part of ln K.
    """

    loss: Tensor
    cosine: Tensor
    entropy: Tensor


def normalised(outputs: Tensor) -> Tensor:
    """Outputs [n, o] at length 1."""
    return torch.nn.functional.normalize(outputs, dim=-1, eps=SHORTEST)


def relations(z: Tensor, keys: Tensor, tau: float | Tensor) -> Tensor:
    """softmax(z Q^T / tau) of embeddings z [n, o] and keys [K, o] at length 1; shape [n, K]."""
    return torch.softmax(z @ keys.transpose(-2, -1) / tau, dim=-1)


class Aim:
    """What the student is to answer to a batch, its relations by the teacher; the slope of the loss in its outputs.

    Args:
        target: p_t, one row a sample [n, K]; of several views of each sample every one is held against it.
        keys: Q [K, o].
        tau: the student's temperature, > 0; a scalar.
    """

    separable = True

    def __init__(self, target: Tensor, keys: Tensor, tau: float | Tensor) -> None:
        self._target, self._keys, self._tau = target, keys, tau

    def gradient(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Of the mean loss in the outputs [v n, o], view after view, in closed form.

        With z = y / |y| the gradient in z is (p_s - p_t) Q / (tau v n), and in y (g - z (z . g)) / |y|.
        """
        lengths = outputs.norm(dim=-1, keepdim=True).clamp_min(SHORTEST)
        z = outputs / lengths
        wrong = relations(z, self._keys, self._tau) - self._for_all_views(outputs)
        slope = wrong @ self._keys / (self._tau * outputs.shape[-2])
        gradient: Tensor = (slope - z * (z * slope).sum(-1, keepdim=True)) / lengths
        return gradient

    def sums(self, outputs: Tensor, shares: Tensor) -> Sums:
        """For the report.

        Args:
            outputs: the student's [v n, o].
            shares: 1 for samples that count, 0 for others [n].
        """
        samples, before = shares.shape[-1], shares.shape[:-1]
        z = normalised(outputs)
        logs = torch.log_softmax(z @ self._keys.transpose(-2, -1) / self._tau, dim=-1)
        losses = -(self._for_all_views(outputs) * logs).sum(-1)
        losses = losses.view(*before, -1, samples).mean(-2)
        entropies = torch.special.entr(self._target).sum(-1) / math.log(self._keys.shape[-2])
        return Sums((losses * shares).sum(-1), _cosines(z[..., :samples, :], shares), (entropies * shares).sum(-1))

    def _for_all_views(self, outputs: Tensor) -> Tensor:
        """The target of every view [v n, K]."""
        views = outputs.shape[-2] // self._target.shape[-2]
        return self._target if views == 1 else self._target.repeat(*[1] * (self._target.ndim - 2), views, 1)


def _cosines(z: Tensor, shares: Tensor) -> Tensor:
    """Over the samples that count, the sum of each one's mean cosine with the others: (|sum z|^2 - n) / (n - 1).

    Of a single sample nothing is known: 0.
    """
    count = shares.sum(-1)
    whole = (z * shares.unsqueeze(-1)).sum(-2).square().sum(-1)
    return (whole - count) / (count - 1).clamp_min(1)
